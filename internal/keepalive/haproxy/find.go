package haproxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nodeagent/internal/procs"
)

// usualFiles are where a configuration lies if no process tells: packages, then the official image and kubeadm's page on high availability.
var usualFiles = []string{"/etc/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg"}

// usualSockets are where a runtime socket lies if no configuration tells: Debian, RHEL, and what many examples write.
var usualSockets = []string{"/run/haproxy/admin.sock", "/var/lib/haproxy/stats", "/run/haproxy.sock", "/var/run/haproxy.stat"}

// Place is what was found of the balancer on this node.
type Place struct {
	Processes []Process
	ProcErr   error    // the processes could not all be read
	Inside    bool     // the configuration lies below the process's own root, a pod's, and goes away with it
	Path      string   // the configuration; empty: none was found
	FileErr   error    // it is there and could not be read
	File      File     // what it says
	Sockets   []string // runtime sockets to try, in order; as this process sees them
	Tried     []string // where a configuration was looked for
}

// find looks for HAProxy: first its processes, then the configuration that the first of them in this network namespace was started with (seen
// through /proc/PID/root, for it may be a pod's), then the usual files. Without search the known processes are all there are.
func find(c Config, table *procs.Table, known []Process, search bool) Place {
	root := filepath.Join("/", c.Root)
	p := Place{Processes: known}
	if search {
		p.Processes, p.ProcErr = processes(table)
		p.Processes = chosen(p.Processes, root, c.File)
	}
	inside := "" // the root that paths of its configuration are below
	switch {
	case c.File != "":
		p.Path = filepath.Join(root, c.File)
		if len(p.Processes) > 0 && p.Processes[0].File == c.File {
			// A pod's file may lie elsewhere on the node: its own view is the truth.
			if own := filepath.Join(p.Processes[0].Root, c.File); exists(own) {
				inside, p.Path = p.Processes[0].Root, own
			}
		}
	case len(p.Processes) > 0 && p.Processes[0].File != "":
		inside = p.Processes[0].Root
		p.Path = filepath.Join(inside, p.Processes[0].File)
		if own := filepath.Join(root, p.Processes[0].File); !exists(p.Path) && exists(own) {
			inside, p.Path = "", own // it went into a chroot after it had read it, or its root is not ours to see
		}
	default:
		for _, f := range usualFiles {
			f = filepath.Join(root, f)
			p.Tried = append(p.Tried, f)
			if exists(f) {
				p.Path = f
				break
			}
		}
	}
	if p.Path != "" {
		p.File, p.FileErr = readFile(p.Path)
		if errors.Is(p.FileErr, fs.ErrNotExist) {
			p.Tried, p.Path, p.FileErr = append(p.Tried, p.Path), "", nil
		}
	}
	p.Inside = inside != "" && len(p.Processes) > 0 && p.Processes[0].Pod
	p.Sockets = sockets(c, root, inside, p.File.Sockets)
	return p
}

// chosen are the processes that may be the node's balancer: those in this network namespace, or whose namespace is not known; with a
// fixed configuration those that were started with it, under whatever name a pod has it. A balancer inside a pod's own network is another matter.
func chosen(all []Process, root, file string) []Process {
	var out []Process
	for _, p := range all {
		if (p.Here || p.Unsure != nil) && (file == "" || p.File == "" || p.File == file || sameFile(filepath.Join(root, file), filepath.Join(p.Root, p.File))) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Process) int { return a.PID - b.PID }) // a master before its workers
	return out
}

func sockets(c Config, root, inside string, configured []string) []string {
	if c.Socket != "" {
		return []string{filepath.Join(root, c.Socket)}
	}
	var out []string
	for _, s := range configured {
		if inside != "" && inside != root {
			if own := filepath.Join(inside, s); exists(own) {
				out = append(out, own)
				continue
			}
		}
		out = append(out, filepath.Join(root, s))
	}
	if len(out) > 0 || c.File != "" {
		return out // what it says is what there is
	}
	for _, s := range usualSockets {
		if s = filepath.Join(root, s); exists(s) {
			out = append(out, s)
		}
	}
	return out
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func readFile(path string) (File, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return File{}, err
	case st.IsDir():
		return readFolder(path)
	case !st.Mode().IsRegular(): // a FIFO would be waited for
		return File{}, fmt.Errorf("read %s: not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", path, err)
	}
	return ParseFile(string(b)), nil
}

// readFolder reads the *.cfg files of a folder in their order, as `haproxy -f DIR` does.
func readFolder(dir string) (File, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.cfg"))
	if err != nil {
		return File{}, err
	}
	var text []byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			return File{}, err
		}
		if text = append(append(text, b...), '\n'); len(text) > maxFile {
			break
		}
	}
	return ParseFile(string(text)), nil
}
