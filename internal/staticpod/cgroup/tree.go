package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultRoot is where every distribution mounts the cgroup file systems.
const DefaultRoot = "/sys/fs/cgroup"

// Version is the way in which a machine's cgroups are mounted.
type Version string

// The ways that are known.
const (
	V1     Version = "v1"
	Hybrid Version = "hybrid" // every controller is v1; a v2 hierarchy without controllers lies beside them
	V2     Version = "v2"
)

// Tree is the machine's cgroup file system as it was when it was opened. It is safe for use by several goroutines.
type Tree struct {
	root        string
	version     Version
	hierarchies []hierarchy
	connect     connector // to systemd
	mkdir       func(string, fs.FileMode) error
	cpus        int // of the machine
}

// hierarchy is one mounted cgroup file system.
type hierarchy struct {
	dir         string
	controllers []string // by the folder's name, which every distribution makes of them; none in a hybrid's v2 hierarchy
	unified     bool
}

// Open looks at what is mounted below root; empty means DefaultRoot. A v1 hierarchy is known by its folder, named after its controllers as systemd
// and every distribution without it do; a link to one (cpu -> cpu,cpuacct) is not counted twice.
func Open(root string) (*Tree, error) {
	if root == "" {
		root = DefaultRoot
	}
	t := &Tree{root: root, connect: dialSystemd(systemdFolder), mkdir: os.Mkdir, cpus: onlineCPUs()}
	if exists(filepath.Join(root, "cgroup.controllers")) {
		t.version, t.hierarchies = V2, []hierarchy{{dir: root, unified: true}}
		return t, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	t.version = V1
	v1 := false
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		switch {
		case !e.IsDir() || !exists(filepath.Join(dir, "cgroup.procs")):
		case exists(filepath.Join(dir, "cgroup.controllers")):
			t.version = Hybrid
			t.hierarchies = append(t.hierarchies, hierarchy{dir: dir, unified: true})
		default:
			v1 = true
			t.hierarchies = append(t.hierarchies, hierarchy{dir: dir, controllers: strings.Split(e.Name(), ",")})
		}
	}
	if !v1 {
		return nil, fmt.Errorf("look for cgroups: %s holds neither a v2 hierarchy nor v1 ones: mount them, with v2 by `mount -t cgroup2 none %s`", root, root)
	}
	return t, nil
}

// Version of the tree.
func (t *Tree) Version() Version { return t.version }

// Dirs is where a pod's cgroup lies in each mounted hierarchy, whether it exists or not. It is nil for a parent that is no path below
// the root. For the systemd driver a slice stands for the slices around it: a-b.slice lies in a.slice/a-b.slice.
func (t *Tree) Dirs(parent string, systemd bool) []string {
	rel, err := relative(parent, systemd)
	if err != nil {
		return nil
	}
	dirs := make([]string, 0, len(t.hierarchies))
	for _, h := range t.hierarchies {
		dirs = append(dirs, filepath.Join(h.dir, rel))
	}
	return dirs
}

// mount is the folder of the hierarchy that has a controller; empty for none.
func (t *Tree) mount(controller string) string {
	for _, h := range t.hierarchies {
		if t.version == V2 || slices.Contains(h.controllers, controller) {
			return h.dir
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lines of a file that holds one number or word a line.
func lines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}

// write sets a control file unless it says so already: the kernel does work at each write, and a limit that is in force must not fail again.
func write(dir, name, value string) error {
	path := filepath.Join(dir, name)
	if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == value {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0) // no O_CREATE: a control file that the kernel does not offer must not be invented
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	_, err = f.WriteString(value)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("set %s to %s: %w", name, value, err)
	}
	return nil
}
