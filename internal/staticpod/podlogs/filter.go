package podlogs

import (
	"context"
	"io"
	"time"
)

// filter passes the lines that were asked for. A line in parts is passed whole or not at all.
type filter struct {
	skip  int       // lines to be dropped first
	since time.Time // lines before it are dropped
	w     func(Line) error
	old   bool // the last line that tells a time was before since: one that tells none goes with it
	mid   [3]struct{ is, drop bool }
}

func (f *filter) line(l Line) error {
	m := &f.mid[l.Stream.slot()]
	if !m.is {
		if !l.Time.IsZero() {
			f.old = l.Time.Before(f.since)
		}
		m.drop = f.skip > 0 || f.old
	}
	if m.is = l.More; !l.More && f.skip > 0 {
		f.skip--
	}
	if m.drop {
		return nil
	}
	return f.w(l)
}

// reader ends with its context and remembers a reading error, to tell it from a writer's.
type reader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
