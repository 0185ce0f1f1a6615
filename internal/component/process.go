package component

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/procs"
)

// process of a component.
type process struct {
	pid     int
	state   byte   // T, D, S ... as in proc_pid_stat(5)
	started uint64 // in clock ticks since the boot: with the pid, its identity
	at      time.Time
	age     time.Duration // when an answer did not come; 0: not known
	path    string        // as it was started; empty: no absolute one
	uid     int
	flags   flags
}

// ofSystem tells whether a process may count as a component by its name alone. Anybody can name a process: only root and the users of services can't be
// anybody.
func (p *process) ofSystem() bool { return p.uid < firstPerson }

// firstPerson is the first user that is no service's (login.defs(5), UID_MIN).
const firstPerson = 1000

// String names it, with its state where that explains a silence.
func (p *process) String() string {
	switch p.state {
	case 'T', 't':
		return fmt.Sprintf("pid %d, which is stopped (state T)", p.pid)
	case 'D':
		return fmt.Sprintf("pid %d, which waits in the kernel (state D)", p.pid)
	case 'Z':
		return fmt.Sprintf("pid %d, which is a zombie", p.pid)
	}
	return fmt.Sprintf("pid %d", p.pid)
}

// startsFor is how long a component may take connections that it does not serve yet: an apiserver listens before it has reached etcd, and a
// scheduler before it has reached the apiserver. They give up by themselves within less.
const startsFor = time.Minute

// starts tells whether a process is so young that its silence is no hang.
func (p *process) starts() bool {
	return p != nil && p.age > 0 && p.age < startsFor && p.state != 'T' && p.state != 't' && p.state != 'D'
}

// scanEvery is between full walks over /proc. In between only the processes found are looked at; a component whose process ended is
// searched at once.
const scanEvery = 30 * time.Second

// processes finds components in /proc.
type processes struct {
	at    time.Time
	found map[string]*process
	table *procs.Table
}

// find gives the processes of the known programs in this network namespace; those of declared may be any user's. The error says that /proc could not be
// read.
func (p *processes) find(proc string, programs []string, declared map[string]bool, now time.Time) (map[string]*process, error) {
	fresh := p.table != nil && p.table.Proc() == proc && !p.at.IsZero() && now.Sub(p.at) < scanEvery
	for name, x := range p.found {
		if !fresh {
			break
		}
		now, err := procs.ReadStat(proc, x.pid)
		if err != nil || now.Start != x.started || now.State == 'Z' {
			fresh = false
			break
		}
		y := *x
		y.state = now.State
		p.found[name] = &y
	}
	if fresh {
		return p.found, nil
	}
	if p.table == nil || p.table.Proc() != proc {
		p.table = procs.New(proc)
	}
	found, err := scan(p.table, programs, declared)
	if err != nil {
		return nil, err
	}
	p.found, p.at = found, now
	return found, nil
}

// forget makes the next find walk again.
func (p *processes) forget() { p.at = time.Time{} }

func scan(table *procs.Table, programs []string, declared map[string]bool) (map[string]*process, error) {
	candidates := map[int]string{} // by pid
	if err := table.Each(func(pid int, comm string) {
		if program := programOf(comm, programs); program != "" {
			candidates[pid] = program
		}
	}); err != nil {
		return nil, err
	}
	proc := table.Proc()
	boot := bootTime(proc)
	found := map[string]*process{}
	for pid, program := range candidates {
		if apart, err := procs.Apart(proc, pid, "net"); err == nil && apart { // a node of kind; where that may not be read, it counts as here
			continue
		}
		x, ok := readProcess(proc, pid, program, boot)
		if ok && (x.ofSystem() || declared[program]) && (found[program] == nil || x.started < found[program].started) {
			found[program] = x // of several the oldest: the others are its children
		}
	}
	return found, nil
}

// commLength is how much of a program's name the kernel keeps.
const commLength = 15

func programOf(comm string, programs []string) string {
	for _, p := range programs {
		if comm == p[:min(len(p), commLength)] {
			return p
		}
	}
	return ""
}

func readProcess(proc string, pid int, program string, boot time.Time) (*process, bool) {
	stat, err := procs.ReadStat(proc, pid)
	if err != nil || stat.State == 'Z' {
		return nil, false
	}
	uid, err := readUID(proc, pid)
	if err != nil {
		return nil, false
	}
	line, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil, false
	}
	words := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if path.Base(words[0]) != program {
		return nil, false // a name that only looks like it, cut off by the kernel
	}
	x := &process{pid: pid, state: stat.State, started: stat.Start, uid: uid, flags: parseFlags(words[1:])}
	if path.IsAbs(words[0]) {
		x.path = words[0]
	}
	if !boot.IsZero() {
		x.at = boot.Add(stat.Started())
	}
	return x, true
}

// readUID is the real user of a process. The owner of its folder in /proc is not: it is root for a process that hides its memory.
func readUID(proc string, pid int) (int, error) {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Uid:" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("%s/%d/status has no Uid", proc, pid)
}

func bootTime(proc string) time.Time {
	b, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
				return time.Unix(n, 0)
			}
		}
	}
	return time.Time{}
}

// explain reads the state of the process again where an answer did not come: what it is in now is why.
func (f *found) explain(proc string, answers ...answer) {
	for _, a := range answers {
		if a.outcome != hung || f.process == nil {
			continue
		}
		if now, err := procs.ReadStat(proc, f.process.pid); err == nil && now.Start == f.process.started {
			p := *f.process
			p.state = now.State
			if up, err := procs.Uptime(proc); err == nil {
				p.age = up - now.Started()
			}
			f.process = &p
		}
	}
}

// aged tells whether the last walk is older than d.
func (p *processes) aged(d time.Duration) bool { return time.Since(p.at) > d }
