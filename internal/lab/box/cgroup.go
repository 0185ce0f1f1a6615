package box

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/mountinfo"
)

// enter puts the shell into the cgroups that are its first argument, and becomes the others.
const enter = `for g in $1; do echo $$ > "$g/cgroup.procs" || exit 1; done
shift
exec "$@"`

// writable undoes what systemd-nspawn does to the controllers of cgroup v1: a runtime in the box makes cgroups as on a machine.
const writable = `for d in /sys/fs/cgroup/*; do
	if [ ! -L "$d" ]; then mount -o remount,bind,rw "$d" || exit 1; fi
done`

func cgroupOf(box string) string { return "nodeagent-box-" + box }

// hierarchies are the folders where this machine has cgroups: one on v2, one a controller on v1, both on a hybrid host.
func hierarchies() ([]string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("list cgroup mounts: %w", err)
	}
	var out []string
	for _, m := range mounts {
		if !slices.Contains(out, m.Mountpoint) {
			out = append(out, m.Mountpoint)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no cgroups are mounted on this machine")
	}
	return out, nil
}

// makeCgroups makes a box's cgroup in every hierarchy.
func makeCgroups(box string) ([]string, error) {
	list, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, h := range list {
		dir := filepath.Join(h, cgroupOf(box))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make a cgroup: %w", err)
		}
		// A new cpuset of v1 has no processor, and no process can enter it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			b, err := os.ReadFile(filepath.Join(h, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil && filepath.Base(h) == "cpuset" {
				err = os.WriteFile(filepath.Join(dir, file), b, 0o644)
			}
			if err != nil {
				return nil, fmt.Errorf("make a cgroup: %w", err)
			}
		}
		out = append(out, dir)
	}
	return out, nil
}
