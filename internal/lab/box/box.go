package box

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// base holds what a box has on this machine: /run/nodeagent-box/NAME, a tmpfs.
const base = "/run/nodeagent-box"

var nameForm = regexp.MustCompile(`^[a-z0-9]{1,20}$`)

// Box is one running Debian. Use Start.
type Box struct {
	name, dir string
	own       net.Listener // the name is this process's
	legacy    bool         // it has cgroup v1
	nspawn    *exec.Cmd
	ended     chan struct{} // closed when systemd-nspawn is gone
	once      sync.Once
	problem   error
}

// Start boots a box over a root that Root made. A name is 1 to 20 of a-z and 0-9; what an earlier box of that name left is removed before;
// one of another process that lives is an error. It returns when systemd has started all that is enabled, at most 60 s later. After an error
// nothing is left. It needs root and the package systemd-container.
func Start(ctx context.Context, name, root string) (*Box, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("box name %q: want 1 to 20 of a-z and 0-9", name)
	}
	// The kernel frees the name when the process ends, however it does.
	own, err := net.Listen("unix", "@nodeagent-box-"+name)
	if err != nil {
		return nil, fmt.Errorf("box %s is another process's: %w", name, err)
	}
	if err := Cleanup(name); err != nil {
		return nil, errors.Join(err, own.Close())
	}
	b := &Box{name: name, dir: filepath.Join(base, name), own: own}
	if err := b.boot(ctx, root); err != nil {
		return nil, errors.Join(fmt.Errorf("boot box %s: %w", name, err), b.Close())
	}
	return b, nil
}

func (b *Box) boot(ctx context.Context, root string) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("nodeagent-box-"+b.name, b.dir, "tmpfs", 0, "mode=755,size=2G"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	for _, d := range []string{"up", "work", "root", "host"} {
		if err := os.Mkdir(filepath.Join(b.dir, d), 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/up,workdir=%s/work", root, b.dir, b.dir)
	if err := unix.Mount("overlay", b.Path("/"), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount an overlay over %s: %w", root, err)
	}
	if err := os.WriteFile(b.Path("/etc/hostname"), []byte(b.name+"\n"), 0o644); err != nil {
		return err
	}
	return b.powerOn(ctx)
}

// powerOn starts systemd-nspawn over the root that lies there.
func (b *Box) powerOn(ctx context.Context) error {
	groups, err := makeCgroups(b.name)
	if err != nil {
		return err
	}
	console, err := os.OpenFile(filepath.Join(b.dir, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer console.Close()
	b.nspawn = exec.Command("/bin/sh", "-c", enter, "sh", strings.Join(groups, " "),
		"systemd-nspawn", "--quiet", "--directory="+b.Path("/"), "--boot", "--register=no", "--keep-unit", "--machine="+b.name, "--hostname="+b.name,
		"--console=pipe", "--kill-signal=SIGRTMIN+3", "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--private-network",
		"--capability=all", "--system-call-filter=@keyring bpf perf_event_open", "--bind="+filepath.Join(b.dir, "host")+":/host",
		"--tmpfs=/var/lib/containerd:mode=0711")
	b.nspawn.Stdout, b.nspawn.Stderr = console, console
	b.legacy = len(groups) > 1
	if b.legacy {
		b.nspawn.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0")
	}
	// A session of its own: Ctrl-C is for the test alone, which powers the box off.
	b.nspawn.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	b.ended = make(chan struct{})
	if err := b.nspawn.Start(); err != nil {
		close(b.ended)
		return err
	}
	go func(cmd *exec.Cmd, ended chan<- struct{}) { _ = cmd.Wait(); close(ended) }(b.nspawn, b.ended)
	return b.settle(ctx)
}

// settle waits for systemd and gives a runtime in the box what it needs.
func (b *Box) settle(ctx context.Context) error {
	if err := b.awaitSystemd(ctx); err != nil {
		return err
	}
	if b.legacy {
		if _, err := b.Run(ctx, "/bin/sh", "-c", writable); err != nil {
			return fmt.Errorf("make cgroups writable: %w", err)
		}
	}
	return nil
}

// Reboot powers the box off in order and boots it anew: what is on its disk stays, what is in /run, /tmp and containerd's root goes. It returns as
// Start does. No other method may run beside it.
func (b *Box) Reboot(ctx context.Context) error {
	// systemd-nspawn's own way would keep its process, and fails where /run of this machine is no tmpfs.
	b.powerOff()
	if err := removeCgroups(b.name); err != nil {
		return err
	}
	if err := b.powerOn(ctx); err != nil {
		return fmt.Errorf("reboot box %s: %w", b.name, err)
	}
	return nil
}

// powerOff ends the box in order, and by force after 20 s.
func (b *Box) powerOff() {
	_ = b.nspawn.Process.Signal(unix.SIGTERM) // it may have ended
	select {
	case <-b.ended:
	case <-time.After(20 * time.Second):
		_ = b.nspawn.Process.Kill()
		<-b.ended
	}
}

// awaitSystemd waits until systemd says that it is up. Units that failed are the test's to look at.
func (b *Box) awaitSystemd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	state := ""
	for {
		out, _ := b.Run(ctx, "systemctl", "is-system-running", "--wait") // it fails at once while the bus is not there
		switch state = strings.TrimSpace(out); state {
		case "running", "degraded":
			return nil
		}
		select {
		case <-b.ended:
			return fmt.Errorf("systemd-nspawn ended: %s", b.console())
		case <-ctx.Done():
			return fmt.Errorf("systemd is %q: %w: %s", state, ctx.Err(), b.console())
		case <-tick.C:
		}
	}
}

func (b *Box) console() string {
	out, _ := os.ReadFile(filepath.Join(b.dir, "console.log"))
	return last(out)
}

// Path is where a path of the box lies on this machine. /host of the box is a folder of its own: see Host.
func (b *Box) Path(inside string) string { return filepath.Join(b.dir, "root", inside) }

// Host is the folder of this machine that the box has at /host.
func (b *Box) Host() string { return filepath.Join(b.dir, "host") }

// Run runs a program in all of the box's namespaces, as its root, and gives what it wrote. It is an error if it did not end with 0.
func (b *Box) Run(ctx context.Context, args ...string) (string, error) {
	pid, err := b.init()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--",
		"/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s in box %s: %w\n%s", strings.Join(args, " "), b.name, err, last(out.Bytes()))
	}
	return out.String(), nil
}

// init is the box's process 1, systemd-nspawn's only child.
func (b *Box) init() (int, error) {
	pid := b.nspawn.Process.Pid
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, fmt.Errorf("box %s does not run: %w", b.name, err)
	}
	first, _, _ := strings.Cut(string(list), " ")
	child, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("box %s has no process 1 yet", b.name)
	}
	return child, nil
}

// Close powers the box off, kills it after 20 s, and removes all that it had on this machine.
func (b *Box) Close() error {
	b.once.Do(func() {
		if b.nspawn != nil && b.nspawn.Process != nil {
			b.powerOff()
		}
		b.problem = errors.Join(Cleanup(b.name), b.own.Close())
	})
	return b.problem
}
