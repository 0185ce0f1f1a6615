package box

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// packages are what is in the root beside Debian's essential ones.
var packages = []string{"systemd-sysv", "dbus", "iproute2", "iptables", "procps", "containerd", "runc", "crun", "containernetworking-plugins", "docker-registry",
	"keepalived", "haproxy", "rpm"}

// hooks are run on the root when all packages are in: no service starts unasked, and nothing of this machine stays in.
var hooks = []string{
	`chroot "$1" systemctl disable containerd.service docker-registry.service keepalived.service haproxy.service`,
	// They make units of fstab, boot loaders and the like, of which a box has nothing, and run at each reload of systemd: half of what one costs.
	`rm -f "$1"/usr/lib/systemd/system-generators/*`,
	`rm -f "$1"/etc/resolv.conf "$1"/etc/hostname; : >"$1"/etc/machine-id; mkdir -p "$1"/var/log/journal`,
}

// CacheDir is where roots are kept: nodeagent-test in $XDG_CACHE_HOME, or /var/cache/nodeagent-test.
func CacheDir() string {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "nodeagent-test")
	}
	return "/var/cache/nodeagent-test"
}

// Root gives the folder of a root in the cache and makes it if it is missing, which takes about a minute and needs mmdebstrap and the machine's
// apt sources. Of several processes one makes it and the others wait.
func Root(ctx context.Context, cache string) (string, error) {
	suite, err := suite()
	if err != nil {
		return "", err
	}
	args := arguments(suite)
	sum := sha256.Sum256([]byte(strings.Join(args, "\x00")))
	dir := filepath.Join(cache, "root-"+hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache of roots: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return dir, err
	}
	sources, err := sources()
	if err != nil {
		return "", err
	}
	half := dir + ".half" // of a make that was killed
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, half, sources)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a Debian root with mmdebstrap from %s: %w\n%s", sources, err, last(out))
	}
	return dir, os.Rename(half, dir)
}

// arguments of mmdebstrap, without the folder and the sources.
func arguments(suite string) []string {
	args := []string{"--variant=minbase", "--mode=root", "--format=directory", "--include=" + strings.Join(packages, ","),
		`--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Languages "none"`, "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"}
	for _, h := range hooks {
		args = append(args, "--customize-hook="+h)
	}
	return append(args, suite)
}

// suite is this machine's release, such as bookworm: its sources are for that one.
func suite() (string, error) {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", errors.New("/etc/os-release has no VERSION_CODENAME: a box can be made on Debian only")
}

// sources is the machine's own file of Debian's archives; those of others are left out.
func sources() (string, error) {
	for _, path := range []string{"/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"} {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return path, nil
		}
	}
	return "", errors.New("neither /etc/apt/sources.list.d/debian.sources nor /etc/apt/sources.list names an archive to make a box from")
}

// last is the end of a program's output, where it says what was wrong.
func last(out []byte) string {
	const most = 2000
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return strings.TrimSpace(string(out))
}
