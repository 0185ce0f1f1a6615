package event

import (
	"context"
	"slices"
	"sync"
)

// kept is how many of the newest events can be had without the disk: more than come between two questions of one who follows.
const kept = 256

// recent holds the newest events that were written, without what containers wrote.
type recent struct {
	mu   sync.Mutex
	list []Event       // by Seq
	last uint64        // Seq of the newest event at all
	more chan struct{} // closed and replaced at each event
}

func (r *recent) add(e Event) {
	e.Log = ""
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == kept {
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list, r.last = append(r.list, e), e.Seq
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

// after lists the events above seq. The second result says that older ones among them are on disk alone.
func (r *recent) after(seq uint64) (list []Event, older bool, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more == nil {
		r.more = make(chan struct{})
	}
	if seq >= r.last {
		return nil, false, r.more
	}
	i, _ := slices.BinarySearchFunc(r.list, seq+1, func(e Event, s uint64) int {
		switch {
		case e.Seq < s:
			return -1
		case e.Seq > s:
			return 1
		}
		return 0
	})
	list = slices.Clone(r.list[i:])
	return list, len(list) == 0 || list[0].Seq != seq+1, r.more
}

// After waits until there is an event above seq or ctx ends, and lists those there are, without what containers wrote; the oldest first. A
// number that this ring has not come to is of another ring: all that is remembered is listed.
func (r *Ring) After(ctx context.Context, seq uint64) ([]Event, error) {
	if r.recent.newest() < seq {
		seq = 0
	}
	for {
		list, older, more := r.recent.after(seq)
		if older {
			return r.fromDisk(seq)
		}
		if len(list) > 0 {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-more:
		}
	}
}

func (r *recent) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *Ring) fromDisk(seq uint64) ([]Event, error) {
	var out []Event
	for e, err := range read(r.dir) {
		if err != nil {
			return out, err
		}
		if e.Seq > seq {
			e.Log = ""
			out = append(out, e)
		}
	}
	return out, nil
}
