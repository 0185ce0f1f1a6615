package oci

import (
	"errors"
	"fmt"
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
	b, err := os.ReadFile(filepath.Join(proc, who, "mountinfo"))
	if err != nil {
		return Cgroups{}, fmt.Errorf("read cgroup mounts: %w", err)
	}
	c := parseMounts(string(b))
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

// parseMounts reads proc_pid_mountinfo(5).
func parseMounts(mountinfo string) Cgroups {
	one, c := false, Cgroups{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		at, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(at) < 5 || len(kind) == 0 {
			continue
		}
		switch kind[0] {
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
	return c
}

// unescape undoes the kernel's \ooo for blanks and the like.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
