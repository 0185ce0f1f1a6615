package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// OfProcess reads /proc/PID/cgroup (cgroups(7)): the process's cgroup below the root of each hierarchy, by controller. The v2 hierarchy
// has the empty name. proc is where procfs is mounted, /proc.
func OfProcess(proc string, pid int) (map[string]string, error) {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return nil, fmt.Errorf("read the cgroup of process %d: %w", pid, err)
	}
	paths, err := parseProcess(string(b))
	if err != nil {
		return nil, fmt.Errorf("read the cgroup of process %d: %w", pid, err)
	}
	return paths, nil
}

// parseProcess reads lines of hierarchy:controllers:path. A path may hold colons.
func parseProcess(text string) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") {
			return nil, fmt.Errorf("line %q is not hierarchy:controllers:path", line)
		}
		for c := range strings.SplitSeq(parts[1], ",") {
			out[c] = parts[2]
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

// ofContainer is the folder of a container's own memory cgroup, made of a path that one of its processes is in: the process may have made
// cgroups below it and moved there.
func (t *Tree) ofContainer(paths map[string]string, id string) (string, error) {
	mount, path := t.mount("memory"), paths["memory"]
	if t.version == V2 {
		path = paths[""]
	}
	if mount == "" || path == "" {
		return "", errors.New("the kernel offers no memory controller")
	}
	parts := strings.Split(path, "/")
	if slices.Contains(parts, "..") {
		return "", fmt.Errorf("cgroup %s lies outside of the agent's own cgroup namespace", path)
	}
	i := slices.IndexFunc(parts, func(s string) bool { return strings.Contains(s, id) })
	if i < 0 {
		return "", errors.New("the process is in no cgroup of the container: it is another's by now")
	}
	return filepath.Join(mount, filepath.Join(parts[:i+1]...)), nil
}
