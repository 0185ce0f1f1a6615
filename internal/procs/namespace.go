package procs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Apart reports whether a process below proc is in another namespace than whoever reads, such as that of another node in a container. kind is
// as in namespaces(7): net, pid, mnt. The error says that it may not be read, or that the process is gone.
func Apart(proc string, pid int, kind string) (bool, error) {
	ours, err := os.Readlink(filepath.Join(proc, "self", "ns", kind))
	if err != nil {
		return false, fmt.Errorf("read the namespace of this process: %w", err)
	}
	theirs, err := os.Readlink(filepath.Join(proc, strconv.Itoa(pid), "ns", kind))
	if err != nil {
		return false, fmt.Errorf("read the namespace of process %d: %w", pid, err)
	}
	return theirs != ours, nil
}
