package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options of Follow.
type Options struct {
	Dir      string    // a container's log folder (ContainerLog.Dir)
	Follow   bool      // go on with what is written later, across rotations and restarts; not with Previous
	Previous bool      // the attempt before the newest one
	Since    time.Time // only lines of this moment and later; zero: all
	Tail     int       // at most so many lines of what is there at the start; below 0: all, as kubectl's --tail
}

var (
	// ErrNone says that a container has left no log yet.
	ErrNone = errors.New("there is no log")
	// ErrNoPrevious says that there is one attempt only.
	ErrNoPrevious = errors.New("there is no log of an earlier attempt")
	// ErrRemoved ends a Follow whose folder was removed: the pod is gone.
	ErrRemoved = errors.New("the log was removed")
)

// giveUp is how long a finished file's writer is waited for where the kernel says that it has not closed it. A runtime closes the old file
// right after it made the new one.
const giveUp = time.Second

// Follow hands the lines of a container's newest (or previous) attempt to w, oldest first, rotated files too, and ends where they end. With
// Options.Follow it goes on until ctx ends, w fails or the folder is removed, woken by inotify alone; the attempts that come are handed on in order.
// Lines go to w as they are: whoever shows them on a terminal must make them safe (Printer, Escape). A compressed file that is damaged is
// read as far as it goes and is an error at the end.
func Follow(ctx context.Context, o Options, w func(Line) error) error {
	o.Dir = filepath.Clean(o.Dir)
	f := &follower{o: o, buf: make([]byte, block)}
	f.filter = filter{since: o.Since, w: w}
	f.d.emit = f.filter.line
	err := f.run(ctx)
	if f.cur != nil {
		f.cur.Close()
	}
	return errors.Join(err, f.damage)
}

type follower struct {
	o      Options
	filter filter
	d      decoder
	cur    *source // the file that is read now
	buf    []byte
	damage error
}

func (f *follower) run(ctx context.Context) error {
	var w *fsnotify.Watcher
	if f.o.Follow && !f.o.Previous {
		var err error
		if w, err = watch(f.o.Dir); err != nil {
			return err
		}
		defer w.Close() // watched before anything is listed, so that nothing is missed between
	}
	files, err := f.series()
	for w != nil && errors.Is(err, ErrNone) { // made, but not started yet
		if err := first(ctx, w, f.o.Dir); err != nil {
			return err
		}
		files, err = f.series()
	}
	if err != nil {
		return err
	}
	if err := f.start(ctx, files); err != nil {
		return err
	}
	if w == nil {
		return f.d.flush()
	}
	return f.follow(ctx, w)
}

// start reads the files of the first attempt and keeps the last one open.
func (f *follower) start(ctx context.Context, files []*source) error {
	defer func() {
		for _, s := range files {
			if s != f.cur {
				s.Close()
			}
		}
	}()
	first, off, skip, err := f.from(ctx, files)
	if err != nil {
		return err
	}
	f.filter.skip = skip
	for i, s := range files[first:] {
		if i > 0 {
			off = 0
			if err := f.d.endFile(); err != nil {
				return err
			}
		}
		f.cur = s
		last := first+i == len(files)-1
		if !last && f.o.Tail < 0 && s.info.ModTime().Before(f.o.Since) {
			continue // every line of it is older
		}
		if err := f.begin(s, off); err != nil {
			return err
		}
		if err := f.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin puts a source at an offset. A damaged compressed one is noted and passed over.
func (f *follower) begin(s *source, off int64) error {
	err := s.start(off)
	if err != nil && s.gz {
		f.damage = errors.Join(f.damage, err)
		return nil
	}
	return err
}

// drain reads the current file as far as it goes.
func (f *follower) drain(ctx context.Context) error {
	if f.cur.r == nil {
		return nil
	}
	r := reader{ctx: ctx, r: f.cur.r}
	if _, err := copyTo(&f.d, &r, f.buf); err != nil {
		if r.err != nil && f.cur.gz && ctx.Err() == nil {
			f.damage = errors.Join(f.damage, fmt.Errorf("read log %s: %w: it is damaged, what follows in it is lost", f.cur.f.Name(), r.err))
			f.cur.r = nil
			return nil
		}
		return err
	}
	return nil
}

// follow goes on after the end of what was there.
func (f *follower) follow(ctx context.Context, w *fsnotify.Watcher) error {
	timer := time.NewTimer(0)
	timer.Stop()
	var held time.Time // since when a newer file is there and the current one is not released
	relist := true     // what came between the first listing and now
	for {
		again, err := f.cur.rewind()
		if err == nil && again {
			err = f.d.endFile()
		}
		if err != nil {
			return err
		}
		if err := f.drain(ctx); err != nil {
			return err
		}
		for relist {
			next, err := f.next()
			if errors.Is(err, fs.ErrNotExist) {
				return f.removed()
			}
			if err != nil {
				return err
			}
			if next == nil {
				held, relist = time.Time{}, false
				break
			}
			if free, retry := released(f.cur.f); !free && (held.IsZero() || time.Since(held) < giveUp) {
				if held.IsZero() {
					held = time.Now()
				}
				next.Close()
				timer.Reset(min(retry, giveUp))
				break
			}
			held = time.Time{}
			if err := f.pass(ctx, next); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("inotify: closed")
			}
			if e.Name == f.o.Dir && e.Has(fsnotify.Remove|fsnotify.Rename) {
				return f.removed()
			}
			relist = relist || e.Has(fsnotify.Create|fsnotify.Rename|fsnotify.Remove)
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("inotify: %w", err)
			}
			relist = true
		}
	}
}

func (f *follower) removed() error {
	return errors.Join(f.d.flush(), fmt.Errorf("%s: %w", f.o.Dir, ErrRemoved))
}

// pass ends the current file and begins with the next one.
func (f *follower) pass(ctx context.Context, next *source) error {
	// Nobody writes to it any more: what was written since the last look is the rest of it.
	err := f.drain(ctx)
	if err == nil {
		err = f.d.endFile()
	}
	if err == nil && next.attempt != f.cur.attempt {
		err = f.d.flush()
	}
	if err != nil {
		next.Close()
		return err
	}
	f.cur.Close()
	f.cur = next
	if err := f.begin(next, 0); err != nil {
		return err
	}
	return f.drain(ctx)
}

func watch(dir string) (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("follow log: inotify: %w (raise fs.inotify.max_user_instances)", err)
	}
	err = w.Add(dir)
	if err == nil {
		// The folder's own end may be told late, while somebody has it open; the folder above tells it at once.
		err = w.Add(filepath.Dir(dir))
	}
	if err != nil {
		w.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", dir, ErrNone)
		}
		return nil, fmt.Errorf("follow log: watch %s: %w (if there is no space for it, raise fs.inotify.max_user_watches)", dir, err)
	}
	return w, nil
}

// first waits until something happens in a folder that has no log yet.
func first(ctx context.Context, w *fsnotify.Watcher, dir string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case e, ok := <-w.Events:
		if !ok {
			return errors.New("inotify: closed")
		}
		if e.Name == dir && e.Has(fsnotify.Remove|fsnotify.Rename) {
			return fmt.Errorf("%s: %w", dir, ErrRemoved)
		}
		return nil
	case err := <-w.Errors:
		if errors.Is(err, fsnotify.ErrEventOverflow) {
			return nil
		}
		return fmt.Errorf("inotify: %w", err)
	}
}
