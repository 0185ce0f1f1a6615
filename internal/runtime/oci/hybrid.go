package oci

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Cgroups is which cgroup hierarchies are mounted.
type Cgroups struct {
	Version     string // v1, hybrid (v1 with a cgroup2 beside it), v2; empty: none is mounted
	Unified     string // mount point of the cgroup2, if any
	Controllers string // those that the cgroup2 owns, blank-separated
}

// ReadCgroups reads the mounts of a process in a proc file system, as they look there; 0 is this process.
func ReadCgroups(proc string, pid int) (Cgroups, error) {
	who := "self"
	if pid > 0 {
		who = itoa(pid)
	}
	f, err := os.Open(filepath.Join(proc, who, "mountinfo"))
	if err != nil {
		return Cgroups{}, fmt.Errorf("read cgroup mounts: %w", err)
	}
	c, err := parseMounts(f)
	_ = f.Close()
	if err != nil {
		return Cgroups{}, fmt.Errorf("read cgroup mounts: %w", err)
	}
	if c.Unified != "" {
		// Below the process's own root, so that a mount namespace of its own is seen as it sees it.
		list, err := os.ReadFile(filepath.Join(proc, who, "root", c.Unified, "cgroup.controllers"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("read cgroup2's controllers: %w", err)
		}
		c.Controllers = strings.TrimSpace(string(list))
	}
	return c, nil
}

// parseMounts reads proc_pid_mountinfo(5), of which a node with many pods has many hundred lines.
func parseMounts(mountinfo io.Reader) (Cgroups, error) {
	one, c := false, Cgroups{}
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(nil, 1<<20) // the layers of an image can make a long line
	for lines.Scan() {
		before, after, _ := bytes.Cut(lines.Bytes(), []byte(" - "))
		kind, _, _ := bytes.Cut(after, []byte(" "))
		if !bytes.HasPrefix(kind, []byte("cgroup")) {
			continue
		}
		at := strings.Fields(string(before))
		if len(at) < 5 {
			continue
		}
		switch string(kind) {
		case "cgroup":
			one = true
		case "cgroup2":
			if at := unescape(at[4]); c.Unified == "" || at == crunUnified { // others have one of their own, as Cilium does
				c.Unified = at
			}
		}
	}
	switch {
	case one && c.Unified != "":
		c.Version = "hybrid"
	case one:
		c.Version = "v1"
	case c.Unified != "":
		c.Version = "v2"
	}
	if err := lines.Err(); err != nil {
		return Cgroups{}, fmt.Errorf("proc_pid_mountinfo(5): %w", err)
	}
	return c, nil
}

// unescape undoes the kernel's \ooo for blanks and the like.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
