package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// sbin is searched after PATH: on Debian runc lies in /usr/sbin, which a
// user's PATH and sudo's may lack.
var sbin = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	if strings.ContainsRune(name, '/') {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	for _, dir := range sbin {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not on PATH: run scripts/install-deps.sh demo", name)
}

// findHandlers looks up the OCI runtimes asked for. With none asked for it is
// runc, and crun where there is one. wrapperDir takes crun's wrapper.
func findHandlers(want []string, wrapperDir string) ([]handler, error) {
	optional := len(want) == 0
	if optional {
		want = []string{"runc", "crun"}
	}
	var found []handler
	for _, name := range want {
		if slices.ContainsFunc(found, func(h handler) bool { return h.name == name }) {
			return nil, fmt.Errorf("handler %s is given twice", name)
		}
		path, err := lookPath(name)
		if err != nil {
			if optional && name != "runc" {
				continue
			}
			return nil, fmt.Errorf("handler %s: %w", name, err)
		}
		if name == "crun" {
			if path, err = wrapCrun(path, wrapperDir); err != nil {
				return nil, fmt.Errorf("handler %s: %w", name, err)
			}
		}
		found = append(found, handler{name: name, binary: path})
	}
	return found, nil
}

// wrapCrun gives the binary that containerd is to run for crun. crun (1.8 and
// 1.21 alike) refuses a host with cgroup v1 controllers beside a cgroup2 mount
// that owns one too ("cgroups in hybrid mode not supported"): there it runs in a
// mount namespace without that mount. The namespace is a slave, so that mounts
// of the host still reach the containers.
func wrapCrun(crun, dir string) (string, error) {
	hybrid, err := hybridMount()
	if err != nil || hybrid == "" {
		return crun, err
	}
	unshare, err := lookPath("unshare")
	if err != nil {
		return "", err
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s -m --propagation slave /bin/sh -c 'umount %s && exec \"$0\" \"$@\"' %s \"$@\"\n",
		unshare, hybrid, crun)
	path := filepath.Join(dir, "crun")
	return path, os.WriteFile(path, []byte(script), 0o755)
}

// hybridMount is where a cgroup2 with controllers is mounted beside cgroup v1,
// or "".
func hybridMount() (string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return "", fmt.Errorf("list cgroup mounts: %w", err)
	}
	one, two := false, ""
	for _, m := range mounts {
		switch {
		case m.FSType == "cgroup":
			one = true
		case two == "":
			two = m.Mountpoint
		}
	}
	if !one || two == "" {
		return "", nil
	}
	controllers, err := os.ReadFile(filepath.Join(two, "cgroup.controllers"))
	if errors.Is(err, os.ErrNotExist) || err == nil && strings.TrimSpace(string(controllers)) == "" {
		return "", nil
	}
	return two, err
}
