package keepalive

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is a keepalived on this node: the parent of its checkers and VRRP children.
type Process struct {
	PID     int    `json:"pid"`
	Start   uint64 `json:"-"`              // field 22 of proc_pid_stat(5): with PID it names one process
	State   byte   `json:"-"`              // R, S, D, T ...; T where a child is stopped
	Unit    string `json:"unit,omitempty"` // its systemd unit, where it has one
	InPod   bool   `json:"inPod,omitempty"`
	parent  int
	netns   string
	nsKnown bool
}

// comms that keepalived's processes go by: keepalived(8), process_names. The kernel cuts names at 15 characters.
func isKeepalived(comm string) bool {
	return comm == "keepalived" || strings.HasPrefix(comm, "keepalived_")
}

// findKeepalived lists the keepalived processes of this network namespace. One whose namespace may not be read counts.
func findKeepalived(proc string) ([]Process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("find keepalived: %w", err)
	}
	own, _ := os.Readlink(filepath.Join(proc, "self/ns/net"))
	all := map[int]Process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(proc, e.Name(), "comm"))
		if err != nil || !isKeepalived(strings.TrimSpace(string(comm))) {
			continue
		}
		p, err := readProcess(proc, pid)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
				continue // it ended meanwhile
			}
			return nil, fmt.Errorf("find keepalived: %w", err)
		}
		if p.State == 'Z' || p.nsKnown && own != "" && p.netns != own {
			continue
		}
		all[pid] = p
	}
	var parents []Process
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
	return parents, nil
}

func readProcess(proc string, pid int) (Process, error) {
	p := Process{PID: pid}
	dir := filepath.Join(proc, strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, err
	}
	if err := p.parseStat(stat); err != nil {
		return p, err
	}
	if b, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil {
		p.Unit, p.InPod = unitOf(b)
	}
	p.netns, err = os.Readlink(filepath.Join(dir, "ns/net"))
	p.nsKnown = err == nil
	return p, nil
}

var errStat = errors.New("unexpected content of a stat file")

// parseStat reads "123 (name) S 1 ...": the name may hold anything.
func (p *Process) parseStat(b []byte) error {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 > len(b) {
		return errStat
	}
	f := strings.Fields(string(b[end+1:])) // from field 3
	if len(f) < 20 || len(f[0]) != 1 {
		return errStat
	}
	p.State = f[0][0]
	var err error
	if p.parent, err = strconv.Atoi(f[1]); err != nil {
		return errStat
	}
	if p.Start, err = strconv.ParseUint(f[19], 10, 64); err != nil {
		return errStat
	}
	return nil
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
