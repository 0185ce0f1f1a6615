package procs

import "bytes"

// Census tells two moments between which no process began or ended from others, for a fraction of what a listing costs. The zero one is of no
// moment.
type Census struct {
	known   bool
	threads string // how many there are
	last    string // the pid that was given out last, which may be a thread's
}

// TakeCensus reads proc_loadavg(5). Whatever begins takes the next pid, and what ends without another's beginning leaves fewer threads.
func TakeCensus(proc string) Census {
	var buffer [128]byte
	b, err := readShort(proc+"/loadavg", buffer[:])
	if err != nil {
		return Census{}
	}
	f := bytes.Fields(b)
	if len(f) != 5 {
		return Census{}
	}
	_, threads, ok := bytes.Cut(f[3], []byte("/"))
	return Census{known: ok, threads: string(threads), last: string(f[4])}
}

// Same reports whether nothing began or ended between them. Pids are given out again after all others, so this can be wrong once in as many
// looks as there are pids: a listing at times of its own makes that right.
func (c Census) Same(as Census) bool { return c.known && c == as }
