package keepalive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"nodeagent/internal/reconcile"
)

// fifo reads keepalived's notify FIFO. We make it, before keepalived can: keepalived removes on exit only a FIFO that it made itself, and what it
// writes while nobody reads stays in it as long as either holds it open.
type fifo struct {
	path   string
	notify func(notice)
	log    *zap.Logger

	bad   atomic.Uint64 // lines that were no notice
	ready chan struct{}
	once  sync.Once
	said  bool
}

func newFIFO(path string, notify func(notice), log *zap.Logger) *fifo {
	return &fifo{path: path, notify: notify, log: log, ready: make(chan struct{})}
}

// reopen is how often the FIFO's file is compared with what is read: somebody may have replaced it.
const reopen = 2 * time.Second

// Run reads until ctx ends.
func (f *fifo) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		file, made, err := openFIFO(f.path)
		f.once.Do(func() { close(f.ready) })
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Now()) })
		err = f.read(ctx, file, made)
		stop()
		file.Close()
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return ctx.Err()
}

// openFIFO opens for reading and writing, so that the end of a writer is no end of file. Root alone may use it: who can write there can lie to us.
func openFIFO(path string) (*os.File, fs.FileInfo, error) {
	fail := func(err error) (*os.File, fs.FileInfo, error) { return nil, nil, fmt.Errorf("notify FIFO: %w", err) }
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fail(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail(fmt.Errorf("make %s: %w", path, err))
	}
	st, err := os.Lstat(path)
	if err != nil {
		return fail(err)
	}
	if st.Mode().Type() != fs.ModeNamedPipe {
		return fail(fmt.Errorf("%s is in the way and no FIFO: remove it", path))
	}
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fail(err)
	}
	if st, err = file.Stat(); err != nil || st.Mode().Type() != fs.ModeNamedPipe {
		file.Close()
		return fail(fmt.Errorf("%s was replaced while it was opened", path))
	}
	return file, st, nil
}

// read passes on what comes, until the file is another one.
func (f *fifo) read(ctx context.Context, file *os.File, made fs.FileInfo) error {
	var l lines
	b := make([]byte, 4096)
	for {
		now := time.Now()
		if err := file.SetReadDeadline(now.Add(reconcile.Wait(now.Add(reopen), now))); err != nil {
			return fmt.Errorf("notify FIFO: %w", err)
		}
		if ctx.Err() != nil { // its end may have come before the deadline was moved
			return ctx.Err()
		}
		n, err := file.Read(b)
		for line := range l.take(b[:n]) {
			f.line(line)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("notify FIFO: %w", err)
		}
		if st, err := os.Lstat(f.path); err != nil || !os.SameFile(st, made) {
			return nil
		}
	}
}

func (f *fifo) line(line string) {
	n, err := parseNotice(line)
	if err != nil {
		f.bad.Add(1)
		if !f.said {
			f.said = true
			f.log.Warn("keepalived's notify FIFO holds a line that is no notice; others are not logged", zap.Error(err))
		}
		return
	}
	f.notify(n)
}

// lines cuts a stream into lines and keeps the rest, which is bounded.
type lines struct {
	rest []byte
	skip bool // the rest of a line that was too long
}

func (l *lines) take(b []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		l.rest = append(l.rest, b...)
		for {
			line, rest, ok := strings.Cut(string(l.rest), "\n")
			if !ok {
				break
			}
			skip := l.skip
			l.rest, l.skip = []byte(rest), false
			if !skip && line != "" && !yield(line) {
				return
			}
		}
		if len(l.rest) > maxNotice {
			l.rest, l.skip = l.rest[:0], true
		}
	}
}

// Ready is closed once the FIFO is there, or can't be.
func (f *fifo) Ready() <-chan struct{} { return f.ready }

// Beat is always now: a read has a deadline.
func (f *fifo) Beat() time.Time { return time.Now() }

// Bound is generous, for nothing here takes time.
func (f *fifo) Bound() time.Duration { return 30 * time.Second }

func (f *fifo) String() string { return "VRRP notify FIFO" }
