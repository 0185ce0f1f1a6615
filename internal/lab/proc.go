package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// proc is what /proc tells of one process, as far as ownership depends on it.
type proc struct {
	pid, ppid int
	comm      string
	zombie    bool
	argv      []string
	netns     string   // CNI_NETNS of its environment
	cgroups   []string // one path a hierarchy
	root      fileID   // of its root folder
}

type fileID struct{ dev, ino uint64 }

func fileIDOf(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{dev: st.Dev, ino: st.Ino}, nil
}

// readProcs reads every process but this one. One that ends meanwhile is left out.
func readProcs() ([]proc, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	self := os.Getpid()
	var out []proc
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == self {
			continue
		}
		if p, ok := readProc(pid); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

func readProc(pid int) (proc, bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return proc{}, false
	}
	p, ok := parseStat(string(stat))
	if !ok || p.pid != pid {
		return proc{}, false
	}
	cgroups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return proc{}, false
	}
	p.cgroups = parseCgroups(string(cgroups))
	// The rest is missing for kernel threads and zombies.
	cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.argv = strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte("CNI_NETNS=")); ok {
			p.netns = string(v)
		}
	}
	p.root, _ = fileIDOf(filepath.Join(dir, "root"))
	return p, true
}

// parseStat reads /proc/PID/stat: "1 (a (b) c) S 0 ...". The name may hold
// spaces and parentheses.
func parseStat(s string) (proc, bool) {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return proc{}, false
	}
	rest := strings.Fields(s[end+1:])
	if len(rest) < 18 {
		return proc{}, false
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(s[:open]))
	ppid, err2 := strconv.Atoi(rest[1])
	if err1 != nil || err2 != nil {
		return proc{}, false
	}
	// A leader that ended before its threads is a zombie that can still be killed.
	gone := rest[0] == "X" || rest[0] == "Z" && (rest[17] == "0" || rest[17] == "1")
	return proc{pid: pid, ppid: ppid, comm: s[open+1 : end], zombie: gone}, true
}

// parseCgroups reads /proc/PID/cgroup: "4:memory:/a/b" a line.
func parseCgroups(s string) []string {
	var out []string
	for line := range strings.Lines(s) {
		if f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3); len(f) == 3 && !slices.Contains(out, f[2]) {
			out = append(out, f[2])
		}
	}
	return out
}

// marks are the traits by which a process is known to be a lab's.
type marks struct {
	place   place
	cgroups []string // cgroup paths, each with all below it
	roots   []fileID // root folders of containers
}

// owns tells whether p alone, without regard to its parents, is the lab's.
// A path in an argument counts only in the place where the program of that name
// has it: an editor that has the lab's configuration open is not the lab's.
func (m marks) owns(p proc) bool {
	if len(p.argv) > 0 {
		switch name := filepath.Base(p.argv[0]); {
		case name == "containerd":
			if follows(p.argv, "--config", func(v string) bool { return v == m.place.config() }) {
				return true
			}
		case strings.HasPrefix(name, "containerd-shim"):
			if follows(p.argv, "-address", func(v string) bool { return v == m.place.socket() }) {
				return true
			}
		case name == "runc" || name == "crun":
			if follows(p.argv, "--root", func(v string) bool { return below(v, m.place.ociRoot()) }) {
				return true
			}
		}
	}
	if p.netns != "" && below(p.netns, m.place.state()) {
		return true // a CNI plugin at work
	}
	for _, c := range p.cgroups {
		if slices.ContainsFunc(m.cgroups, func(of string) bool { return c == of || below(c, of) }) {
			return true
		}
	}
	return p.root != fileID{} && slices.Contains(m.roots, p.root)
}

// choose gives the lab's processes: those that it owns and their descendants,
// but for zombies, which are gone and wait only for their parent.
func (m marks) choose(all []proc) []proc {
	ours := map[int]bool{}
	for _, p := range all {
		if m.owns(p) {
			ours[p.pid] = true
		}
	}
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if !ours[p.pid] && ours[p.ppid] {
				ours[p.pid], grew = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(p proc) bool { return !ours[p.pid] || p.zombie })
}

// kill ends p, if that number still stands for the same process. Between
// FindProcess, which holds on to a pidfd, and the second look nothing can slip in.
func (p proc) kill() error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return nil
	}
	defer func() { _ = handle.Release() }() // it can't fail but for twice
	now, ok := readProc(p.pid)
	if !ok || !slices.Equal(now.argv, p.argv) || !slices.Equal(now.cgroups, p.cgroups) || now.root != p.root {
		return nil // it ended, or changed: the next look decides
	}
	err = handle.Signal(syscall.SIGKILL)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p, err)
	}
	return nil
}

func (p proc) String() string {
	s := fmt.Sprintf("process %d (%s)", p.pid, p.comm)
	if len(p.argv) > 0 && p.argv[0] != "" {
		s += ": " + strings.Join(p.argv, " ")
	}
	return s
}

// follows reports whether the argument after flag passes want.
func follows(argv []string, flag string, want func(string) bool) bool {
	i := slices.Index(argv, flag)
	return i >= 0 && i+1 < len(argv) && want(argv[i+1])
}

// below reports whether path lies strictly below dir.
func below(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
