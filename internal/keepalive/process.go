package keepalive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/procs"
)

// Process is a keepalived on this node: the parent of its checkers and VRRP children.
type Process struct {
	PID    int    `json:"pid"`
	Start  uint64 `json:"-"`              // field 22 of proc_pid_stat(5): with PID it names one process
	State  byte   `json:"-"`              // R, S, D, T ...; T where a child is stopped
	Unit   string `json:"unit,omitempty"` // its systemd unit, where it has one
	InPod  bool   `json:"inPod,omitempty"`
	comm   string
	parent int
	away   bool // in another network namespace
}

// comms that keepalived's processes go by: keepalived(8), process_names. The kernel cuts names at 15 characters.
func isKeepalived(comm string) bool {
	return comm == "keepalived" || strings.HasPrefix(comm, "keepalived_")
}

// rescan is the longest that the processes of the last search are looked at again while each of them lives, and that a node where keepalived is not
// configured goes unsearched. Listing every process costs a millisecond, reading one some microseconds.
const rescan = 10 * time.Second

// finder finds keepalived's processes at each look.
type finder struct {
	table    *procs.Table
	searched time.Time
	pids     []int // of parents and children, as found then
}

// find gives the keepalived processes of this network namespace. Where one is configured and none runs each call searches for it.
func (f *finder) find(configured bool, now time.Time) ([]Process, error) {
	if !f.searched.IsZero() && now.Sub(f.searched) < rescan {
		if len(f.pids) == 0 && !configured {
			return nil, nil
		}
		if parents, whole, err := readKeepalived(f.table.Proc(), f.pids); err == nil && whole && len(f.pids) > 0 {
			return parents, nil
		}
	}
	pids, err := keepalivedPIDs(f.table)
	if err != nil {
		return nil, err
	}
	f.pids, f.searched = pids, now
	parents, _, err := readKeepalived(f.table.Proc(), pids)
	return parents, err
}

// findKeepalived lists the keepalived processes of this network namespace, once.
func findKeepalived(table *procs.Table) ([]Process, error) {
	return (&finder{table: table}).find(true, time.Now())
}

// keepalivedPIDs are the processes that go by one of keepalived's names.
func keepalivedPIDs(table *procs.Table) ([]int, error) {
	var pids []int
	if err := table.Each(func(pid int, comm string) {
		if isKeepalived(comm) {
			pids = append(pids, pid)
		}
	}); err != nil {
		return nil, fmt.Errorf("find keepalived: %w", err)
	}
	return pids, nil
}

// readKeepalived reads the parents among pids; whole says that each of them is still a keepalived, in whatever namespace. One whose network namespace
// may not be read counts as in this one.
func readKeepalived(proc string, pids []int) (parents []Process, whole bool, err error) {
	whole = true
	all := map[int]Process{}
	for _, pid := range pids {
		p, err := readProcess(proc, pid)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
				whole = false
				continue // it ended meanwhile
			}
			return nil, false, fmt.Errorf("find keepalived: %w", err)
		}
		if p.State == 'Z' || !isKeepalived(p.comm) {
			whole = false
			continue
		}
		if p.away {
			continue
		}
		all[pid] = p
	}
	for _, p := range all {
		if _, child := all[p.parent]; !child {
			parents = append(parents, p)
		}
	}
	for i, p := range parents { // a stopped child is as bad as a stopped parent: it is the one that sends
		for _, c := range all {
			if c.parent == p.PID && (c.State == 'T' || c.State == 't') {
				parents[i].State = c.State
			}
		}
	}
	slices.SortFunc(parents, func(a, b Process) int { return a.PID - b.PID })
	return parents, whole, nil
}

func readProcess(proc string, pid int) (Process, error) {
	p := Process{PID: pid}
	dir := filepath.Join(proc, strconv.Itoa(pid))
	stat, err := procs.ReadStat(proc, pid)
	if err != nil {
		return p, err
	}
	p.Start, p.State, p.comm, p.parent = stat.Start, stat.State, stat.Comm, stat.Parent
	if b, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil {
		p.Unit, p.InPod = unitOf(b)
	}
	apart, err := procs.Apart(proc, pid, "net")
	p.away = err == nil && apart
	return p, nil
}

// unitOf reads proc_pid_cgroup: the unit that systemd put the process into, and whether it is a pod's.
func unitOf(b []byte) (unit string, inPod bool) {
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || f[1] != "" && f[1] != "name=systemd" {
			continue
		}
		if strings.Contains(f[2], "kubepods") {
			return "", true
		}
		for elem := range strings.SplitSeq(f[2], "/") {
			if strings.HasSuffix(elem, ".service") {
				unit = elem
			}
		}
	}
	return unit, false
}
