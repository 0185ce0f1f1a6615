package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// gone tells that a cgroup is not there (any more): an open file of one that was removed answers ENODEV.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) }

// pidsIn are the processes of one cgroup, without those of its children.
func pidsIn(dir string) ([]int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, syscall.EOPNOTSUPP) { // a threaded cgroup of v2
		b, err = os.ReadFile(filepath.Join(dir, "cgroup.threads"))
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// named lists processes for a person: at most eight, each once, with its command.
func named(pids []int) string {
	slices.Sort(pids)
	pids = slices.Compact(pids)
	var out []string
	for i, pid := range pids {
		if i == 8 {
			out = append(out, fmt.Sprintf("and %d more", len(pids)-i))
			break
		}
		s := strconv.Itoa(pid)
		if comm, err := os.ReadFile("/proc/" + s + "/comm"); err == nil {
			s += fmt.Sprintf(" %q", strings.TrimSpace(string(comm)))
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
