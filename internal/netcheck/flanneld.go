package netcheck

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/procs"
)

// flanneldSince is when the oldest flanneld of this node started; zero: none is seen to run. It is asked only where something is to be mended.
func flanneldSince(proc string) time.Time {
	var oldest time.Time
	if err := procs.New(proc).Each(func(pid int, comm string) {
		if comm != "flanneld" {
			return
		}
		if at, ok := startOf(proc, strconv.Itoa(pid)); ok && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}); err != nil {
		return time.Time{}
	}
	return oldest
}

// userHZ is the unit of proc_pid_stat(5)'s times on every architecture of Linux.
const userHZ = 100

// startOf is when a process started: field 22 of its stat, and the time of the boot.
func startOf(proc, pid string) (time.Time, bool) {
	stat, err := os.ReadFile(filepath.Join(proc, pid, "stat"))
	if err != nil {
		return time.Time{}, false
	}
	i := bytes.LastIndexByte(stat, ')') // a name may hold blanks and brackets
	fields := strings.Fields(string(stat[i+1:]))
	const startTime = 22 - 3 // the first field here is the third
	if i < 0 || len(fields) <= startTime {
		return time.Time{}, false
	}
	ticks, err := strconv.ParseUint(fields[startTime], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	uptime, err := os.ReadFile(filepath.Join(proc, "uptime"))
	if err != nil {
		return time.Time{}, false
	}
	word, _, _ := strings.Cut(string(uptime), " ")
	seconds, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return time.Time{}, false
	}
	age := time.Duration((seconds - float64(ticks)/userHZ) * float64(time.Second))
	return time.Now().Add(-max(age, 0)), true
}
