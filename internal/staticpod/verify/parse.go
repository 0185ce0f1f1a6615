package verify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// startTime of a process in clock ticks after boot, field 22 of /proc/PID/stat (proc_pid_stat(5)).
func startTime(dir string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return 0, err
	}
	return parseStart(string(b))
}

// parseStart counts from the command's last parenthesis: a command may hold spaces and parentheses. A zombie is no process any more.
func parseStart(stat string) (uint64, error) {
	i := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[i+1:])
	if i < 0 || len(fields) < 20 {
		return 0, errors.New("its stat is not readable")
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return 0, errors.New("its process has ended and waits for its parent")
	}
	n, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("its start time is not readable: %q", fields[19])
	}
	return n, nil
}

// kernelThread reads the flags of a stat, field 9: PF_KTHREAD of include/linux/sched.h.
func kernelThread(stat string) bool {
	const pfKthread = 0x00200000
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err == nil && flags&pfKthread != 0
}

// rootOf finds the mount that is / in a mountinfo (proc_pid_mountinfo(5)): the last one there, which covers those before.
func rootOf(mountinfo string) string {
	root := ""
	for line := range strings.Lines(mountinfo) {
		if f := strings.Fields(line); len(f) >= 6 && f[4] == "/" {
			root = f[2] + " " + f[3]
		}
	}
	return root
}

// cgroupsOf reads lines of hierarchy:controllers:path (cgroups(7)), each path once.
func cgroupsOf(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3); len(f) == 3 && !slices.Contains(out, f[2]) {
			out = append(out, f[2])
		}
	}
	return out
}
