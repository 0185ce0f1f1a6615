package cgroup

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// bufferSize holds the longest of the files that are read: memory.stat has 2 KiB at most.
const bufferSize = 16 << 10

// budget is how many descriptors may be kept open. It belongs to one goroutine.
type budget struct{ left int }

// file is one control file. It is kept open where the budget allows: opening costs eight times what reading does, for a small one.
type file struct {
	path string // empty: there is none on this machine
	fd   int    // -1: not open
}

func newFile(dir, name string) file {
	if dir == "" {
		return file{fd: -1}
	}
	return file{path: filepath.Join(dir, name), fd: -1}
}

// read reads the file whole, from its beginning. A kept descriptor of a cgroup that was removed and made anew is of no more use: it is opened again.
func (f *file) read(buf []byte, b *budget) ([]byte, error) {
	if f.path == "" {
		return nil, fs.ErrNotExist
	}
	if f.fd >= 0 {
		n, err := pread(f.fd, buf)
		if err == nil {
			return buf[:n], nil
		}
		f.close(b)
		if !gone(err) {
			return nil, err
		}
	}
	fd, err := syscall.Open(f.path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	n, err := pread(fd, buf)
	if err == nil && b != nil && b.left > 0 {
		f.fd = fd
		b.left--
	} else {
		syscall.Close(fd)
	}
	return buf[:max(n, 0)], err
}

func (f *file) close(b *budget) {
	if f.fd >= 0 {
		syscall.Close(f.fd)
		f.fd = -1
		b.left++
	}
}

func pread(fd int, buf []byte) (int, error) {
	for {
		n, err := syscall.Pread(fd, buf, 0)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// probe reads the usage of one cgroup, again and again.
type probe struct {
	v2     bool
	budget *budget

	cpuacct, cpu, usage, stat, limit, kills, pids file

	rounds int   // so far
	last   Usage // of the round before
}

// wholeEvery is how often all is read. In the rounds between, what can't have changed is not: a cgroup that used no CPU started no process, was not
// throttled and had none killed, and one whose memory is the same to the byte has the same page cache. A limit changes by hand alone, or with
// the pod's manifest, which makes another cgroup.
const wholeEvery = 6

// probe of a cgroup; without a budget nothing is kept open.
func (t *Tree) probe(rel string, b *budget) *probe {
	at := func(controller, name string) file {
		mount := t.mount(controller)
		if mount == "" {
			return newFile("", "")
		}
		return newFile(filepath.Join(mount, rel), name)
	}
	p := &probe{v2: t.version == V2, budget: b, pids: at("pids", "pids.current"), cpu: at("cpu", "cpu.stat"), stat: at("memory", "memory.stat")}
	if p.v2 {
		p.cpuacct = newFile("", "") // cpu.stat has it all
		p.usage, p.limit, p.kills = at("memory", "memory.current"), at("memory", "memory.max"), at("memory", "memory.events")
		return p
	}
	p.cpuacct = at("cpuacct", "cpuacct.usage")
	p.usage, p.limit, p.kills = at("memory", "memory.usage_in_bytes"), at("memory", "memory.limit_in_bytes"), at("memory", "memory.oom_control")
	return p
}

func (p *probe) close() {
	if p.budget == nil {
		return
	}
	for _, f := range []*file{&p.cpuacct, &p.cpu, &p.usage, &p.stat, &p.limit, &p.kills, &p.pids} {
		f.close(p.budget)
	}
}

// sample fails only where the cgroup is gone: then none of its files is there. ran tells that it may have used CPU since the last one.
func (p *probe) sample(buf []byte) (u Usage, ran bool, err error) {
	u.At = time.Now()
	whole := p.rounds%wholeEvery == 0 || len(p.last.Missing) > 0
	p.rounds++
	ok := p.sampleCPU(&u, buf)
	ran = whole || !ok || u.CPU != p.last.CPU
	if ok && ran && !p.v2 {
		p.throttling(&u, buf)
	} else if !p.v2 {
		u.Periods, u.ThrottledPeriods, u.Throttled = p.last.Periods, p.last.ThrottledPeriods, p.last.Throttled
	}
	if !ok {
		u.Missing = append(u.Missing, "cpu")
	}
	if !p.sampleMemory(&u, whole, ran, buf) {
		u.Missing = append(u.Missing, "memory")
	}
	u.PIDs = p.last.PIDs
	if ran && !p.number(&p.pids, &u.PIDs, p.budget, buf) {
		u.PIDs = 0
		u.Missing = append(u.Missing, "pids")
	}
	if len(u.Missing) == len(needed) {
		return Usage{}, false, fs.ErrNotExist
	}
	p.last = u
	return u, ran, nil
}

func (p *probe) number(f *file, to *uint64, keep *budget, buf []byte) bool {
	b, err := f.read(buf, keep)
	if err != nil {
		return false
	}
	n, ok := number64(b)
	if ok {
		*to = n
	}
	return ok
}

var (
	keysCPU1  = []string{"nr_periods", "nr_throttled", "throttled_time"}
	keysCPU2  = []string{"nr_periods", "nr_throttled", "throttled_usec", "usage_usec"}
	keysStat1 = []string{"total_inactive_file"}
	keysStat2 = []string{"inactive_file"}
	keysKills = []string{"oom_kill"}
)

// throttling reads cpu.stat. On v2 usage_usec is there always, the others only with the cpu controller.
func (p *probe) throttling(u *Usage, buf []byte) bool {
	b, err := p.cpu.read(buf, p.budget)
	if err != nil {
		return false
	}
	var waited, used uint64
	if !p.v2 {
		keyed(b, keysCPU1, []*uint64{&u.Periods, &u.ThrottledPeriods, &waited})
		u.Throttled = time.Duration(waited)
		return true
	}
	keyed(b, keysCPU2, []*uint64{&u.Periods, &u.ThrottledPeriods, &waited, &used})
	u.Throttled, u.CPU = time.Duration(waited)*time.Microsecond, time.Duration(used)*time.Microsecond
	return true
}

// sampleCPU reads what was used; on v2 the same file has the throttling.
func (p *probe) sampleCPU(u *Usage, buf []byte) bool {
	if p.v2 {
		return p.throttling(u, buf)
	}
	var ns uint64
	ok := p.number(&p.cpuacct, &ns, p.budget, buf)
	u.CPU = time.Duration(ns)
	return ok
}

func (p *probe) sampleMemory(u *Usage, whole, ran bool, buf []byte) bool {
	if !p.number(&p.usage, &u.MemoryUsage, p.budget, buf) {
		return false
	}
	u.MemoryWorkingSet, u.MemoryLimit, u.OOMKills = p.last.MemoryWorkingSet, p.last.MemoryLimit, p.last.OOMKills
	if whole || u.MemoryUsage != p.last.MemoryUsage {
		b, err := p.stat.read(buf, p.budget)
		if err != nil {
			return p.noMemory(u)
		}
		keys, inactive := keysStat2, uint64(0)
		if !p.v2 {
			keys = keysStat1
		}
		if keyed(b, keys, []*uint64{&inactive}) == 0 {
			return p.noMemory(u)
		}
		u.MemoryWorkingSet = u.MemoryUsage - min(inactive, u.MemoryUsage) // the two are not read in one moment
	}
	if whole {
		u.MemoryLimit = 0
		p.number(&p.limit, &u.MemoryLimit, nil, buf)
		if u.MemoryLimit >= unlimited {
			u.MemoryLimit = 0
		}
	}
	if whole || (ran && p.v2) { // on v1 no process lives in a pod's own cgroup, and the containers count for themselves
		u.OOMKills = p.killed(buf)
	}
	return true
}

func (p *probe) noMemory(u *Usage) bool {
	u.MemoryUsage, u.MemoryWorkingSet, u.MemoryLimit, u.OOMKills = 0, 0, 0, 0
	return false
}

func (p *probe) killed(buf []byte) uint64 {
	var n uint64
	if b, err := p.kills.read(buf, p.budget); err == nil {
		keyed(b, keysKills, []*uint64{&n})
	}
	return n
}
