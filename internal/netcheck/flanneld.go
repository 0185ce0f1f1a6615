package netcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
		if there, err := os.Readlink(filepath.Join(proc, strconv.Itoa(pid), "ns/net")); err == nil && here != "" && there != here {
			return // another node's, as in kind
		}
		if at, ok := startOf(proc, pid); ok && at.After(youngest) {
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

// startOf is when a process started.
func startOf(proc string, pid int) (time.Time, bool) {
	stat, err := procs.ReadStat(proc, pid)
	if err != nil {
		return time.Time{}, false
	}
	up, err := procs.Uptime(proc)
	if err != nil {
		return time.Time{}, false
	}
	return time.Now().Add(-max(up-stat.Started(), 0)), true
}
