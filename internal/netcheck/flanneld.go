package netcheck

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/procs"
)

// flanneldSince is when the flanneld of a network namespace started, of several the youngest; zero: none is seen to run. netns is as in Config. One
// whose namespace may not be read counts. It is asked only where something is to be mended.
func flanneldSince(proc, netns string) time.Time {
	here := namespace(proc, netns)
	var youngest time.Time
	if err := procs.New(proc).Each(func(pid int, comm string) {
		if comm != "flanneld" {
			return
		}
		id := strconv.Itoa(pid)
		if there, err := os.Readlink(filepath.Join(proc, id, "ns/net")); err == nil && here != "" && there != here {
			return // another node's, as in kind
		}
		if at, ok := startOf(proc, id); ok && at.After(youngest) {
			youngest = at
		}
	}); err != nil {
		return time.Time{}
	}
	return youngest
}

// namespace is how /proc/PID/ns/net names a network namespace; empty: not known.
func namespace(proc, netns string) string {
	if netns == "" {
		name, _ := os.Readlink(filepath.Join(proc, "self/ns/net"))
		return name
	}
	var st unix.Stat_t
	if err := unix.Stat(netns, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("net:[%d]", st.Ino)
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
