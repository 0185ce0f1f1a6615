package cgroup

import (
	"bytes"
	"fmt"
	"time"
)

// Usage of one cgroup with all below it, as the kernel counts it; what a container used that is gone is in its pod's still.
type Usage struct {
	At  time.Time     // of the sample
	CPU time.Duration // used since the cgroup was made

	Periods          uint64        // of 100 ms in which the cgroup could run and has a quota
	ThrottledPeriods uint64        // those in which it had to wait for the next
	Throttled        time.Duration // how long it had to wait, all CPUs together; a Sampler adds the containers that run to their pod

	MemoryUsage      uint64 // bytes, with the page cache
	MemoryWorkingSet uint64 // bytes: usage without the page cache that was not read lately, as cAdvisor and kubelet have it
	MemoryLimit      uint64 // bytes; 0: none

	// OOMKills are the processes killed for memory. On v2 they are those below the cgroup, too. v1 counts each cgroup for itself and forgets with
	// it, so that a pod's is that of the containers there are; OOM remembers.
	OOMKills uint64

	PIDs uint64 // processes and threads

	// Missing are the controllers of which nothing could be read (cpu, memory, pids): their fields are 0 and mean nothing.
	Missing []string
}

// keyed finds values in a flat keyed file: lines of a key, a space and a number. A key that is not there leaves its value alone; found
// counts those that were.
func keyed(b []byte, keys []string, values []*uint64) (found int) {
	for len(b) > 0 && found < len(keys) {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		key, number, ok := bytes.Cut(line, []byte{' '})
		if !ok {
			continue
		}
		for i, k := range keys {
			if string(key) != k {
				continue
			}
			if n, ok := number64(number); ok {
				*values[i] = n
				found++
			}
			break
		}
	}
	return found
}

// number64 reads what a control file holds alone; "max", v2's word for no limit, is 0.
func number64(b []byte) (uint64, bool) {
	b = bytes.TrimSpace(b)
	if string(b) == "max" {
		return 0, true
	}
	if len(b) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// unlimited is what v1 shows for no limit: the greatest number of pages there can be, a little below 1<<63.
const unlimited = 1 << 62

// Sample reads a cgroup's usage once. The error is fs.ErrNotExist where there is no such cgroup, as before a pod's first start; what else can't be read
// is named in Missing.
func (t *Tree) Sample(parent string, systemd bool) (Usage, error) {
	rel, err := relative(parent, systemd)
	if err != nil {
		return Usage{}, fmt.Errorf("sample cgroup: %w", err)
	}
	p := t.probe(rel, nil)
	u, _, err := p.sample(make([]byte, bufferSize))
	if err != nil {
		return Usage{}, fmt.Errorf("sample cgroup %s: %w", parent, err)
	}
	return u, nil
}
