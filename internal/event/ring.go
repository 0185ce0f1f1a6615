package event

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	newer = "events.jsonl"
	older = "events.1.jsonl"
	queue = 1024
	line  = 16 << 10 // the longest line that is written; longer messages are cut
)

// Ring is the timeline, open for writing.
type Ring struct {
	dir     string
	boot    string
	max     int64
	queue   chan Event
	dropped atomic.Uint64
	beat    atomic.Int64 // unix nanoseconds since when a write runs; 0 while it waits
	ready   chan struct{}
	once    sync.Once
	recent  recent
	before  Before

	mu   sync.Mutex // of file, size, seq
	file *os.File
	size int64
	seq  uint64
	err  error // the last write's
}

// Open opens the ring in a folder that exists. It holds at most limit bytes on disk (at least 64 KiB); boot is written into each event.
func Open(dir, boot string, limit int64) (*Ring, error) {
	r := &Ring{dir: dir, boot: boot, max: max(limit, 64<<10), queue: make(chan Event, queue), ready: make(chan struct{})}
	for e, err := range read(dir) {
		if err == nil {
			r.seq = max(r.seq, e.Seq)
			r.before.take(e)
		}
	}
	r.recent.last = r.seq
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Ring) open() error {
	f, err := os.OpenFile(filepath.Join(r.dir, newer), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open timeline: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open timeline: %w", err)
	}
	r.file, r.size = f, st.Size()
	if r.size > 0 { // a line torn by a crash must not swallow the next one
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, r.size-1); err == nil && last[0] != '\n' {
			n, _ := f.Write([]byte{'\n'})
			r.size += int64(n)
		}
	}
	return nil
}

// Append puts an event in line and returns at once. Time is now if it is zero.
func (r *Ring) Append(e Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Boot = r.boot
	select {
	case r.queue <- e:
	default:
		r.dropped.Add(1)
	}
}

// Run writes what was appended until ctx ends, then what is left in the queue.
func (r *Ring) Run(ctx context.Context) error {
	r.once.Do(func() { close(r.ready) })
	for {
		select {
		case <-ctx.Done():
			r.drain()
			return ctx.Err()
		case e := <-r.queue:
			r.beat.Store(time.Now().UnixNano())
			r.write(e)
			r.drain()
			r.beat.Store(0)
		}
	}
}

func (r *Ring) drain() {
	for {
		select {
		case e := <-r.queue:
			r.write(e)
		default:
			if n := r.dropped.Swap(0); n > 0 {
				r.write(Event{Time: time.Now(), Boot: r.boot, Kind: KindRing, Reason: "Dropped", Message: fmt.Sprintf("%d events came faster than the disk took them and were dropped", n)})
			}
			return
		}
	}
}

func (r *Ring) write(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	e.Seq = r.seq
	defer r.recent.add(e)
	b := encode(e)
	if r.size+int64(len(b)) > r.max/2 {
		r.rotate()
	}
	if r.file == nil {
		if r.err = r.open(); r.err != nil {
			return
		}
	}
	n, err := r.file.Write(b)
	r.size += int64(n)
	r.err = err
}

func encode(e Event) []byte {
	b, err := json.Marshal(e)
	if err == nil && len(b) >= line {
		e.Log = ""
		b, err = json.Marshal(e)
	}
	if err != nil || len(b) >= line {
		e.Fields = nil
		e.Message = cut(e.Message, 4<<10)
		e.Subject, e.Reason = cut(e.Subject, 512), cut(e.Reason, 512)
		b, _ = json.Marshal(e)
	}
	return append(b, '\n')
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

func (r *Ring) rotate() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
	if err := os.Rename(filepath.Join(r.dir, newer), filepath.Join(r.dir, older)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = os.Truncate(filepath.Join(r.dir, newer), 0) // the bound holds whatever happens
	}
	r.err = r.open()
}

// Err is the error of the last write, nil if it went well.
func (r *Ring) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close closes the file. Run must have returned.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// Ready is closed once Run has begun.
func (r *Ring) Ready() <-chan struct{} { return r.ready }

// Beat is now while the ring waits, else when the write in progress began.
func (r *Ring) Beat() time.Time {
	if n := r.beat.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Now()
}

// Bound is generous: a disk may stall, and a stalled timeline is no reason to restart the agent soon.
func (r *Ring) Bound() time.Duration { return 10 * time.Minute }

func (r *Ring) String() string { return "timeline" }

// Since reads the events of a folder from t on, oldest first, without a daemon. A folder with no ring is an empty timeline.
func Since(dir string, t time.Time) ([]Event, error) {
	var out []Event
	for e, err := range read(dir) {
		if err != nil {
			return out, err
		}
		if !e.Time.Before(t) {
			out = append(out, e)
		}
	}
	return out, nil
}

func read(dir string) func(func(Event, error) bool) {
	return func(yield func(Event, error) bool) {
		for _, name := range []string{older, newer} {
			f, err := os.Open(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				yield(Event{}, fmt.Errorf("read timeline: %w", err))
				return
			}
			if !readFile(f, yield) {
				return
			}
		}
	}
}

func readFile(f *os.File, yield func(Event, error) bool) bool {
	defer f.Close()
	b := bufio.NewReaderSize(f, 2*line)
	for {
		l, err := b.ReadSlice('\n')
		if err == nil {
			var e Event
			if json.Unmarshal(l, &e) == nil && e.Kind != "" {
				if !yield(e, nil) {
					return false
				}
			}
			continue
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // not one of ours; its end fails to parse and is skipped too
		}
		if errors.Is(err, io.EOF) {
			return true
		}
		return yield(Event{}, fmt.Errorf("read timeline: %w", err))
	}
}
