package companion

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

const (
	// settle is the quiet time after which a change of the folder is looked at: files are rarely written in one go.
	settle = 100 * time.Millisecond
	// settleMost bounds the wait where the folder never falls quiet.
	settleMost = time.Second
)

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// watch wakes the loop when the manifest folder changes, until ctx ends. Where inotify can't be had the loop's resync polls, which
// is said on the condition and in the log, and it is tried again at each file check.
func (c *Companion) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.watchOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		why := err.Error()
		if old := c.unwatched.Swap(&why); old == nil || *old != why {
			c.log.Warn("the manifest folder can't be watched and is read at intervals", zap.Error(err))
			c.loop.Wake()
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.cfg().filled().FileCheckFrequency):
		}
	}
}

// watchOnce watches until ctx ends or inotify fails.
func (c *Companion) watchOnce(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("inotify: %w%s", err, hint(err))
	}
	defer w.Close()
	// The path is known after the first pass.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.loop.Ready():
	}
	watched := map[string]uint64{}
	check := time.NewTicker(c.cfg().filled().FileCheckFrequency)
	defer check.Stop()
	quiet := time.NewTimer(settleMost)
	quiet.Stop()
	var began time.Time
	for {
		path := ""
		if p := c.path.Load(); p != nil {
			path = *p
		}
		for again := true; again; { // what came before its folder was watched told nobody: look until no watch is new
			added, err := arm(w, watched, path)
			if err != nil {
				return err
			}
			if again = added; added {
				c.loop.Wake()
			}
		}
		if c.unwatched.Swap(nil) != nil {
			c.log.Info("the manifest folder is watched again")
			c.loop.Wake()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("inotify: closed")
			}
			if _, ok := watched[e.Name]; ok && e.Has(fsnotify.Remove|fsnotify.Rename) {
				_ = w.Remove(e.Name) // a folder made again may get the same inode
				delete(watched, e.Name)
			}
			if !concerns(e.Name, path) {
				continue
			}
			if began.IsZero() {
				began = time.Now()
			}
			quiet.Reset(max(0, min(settle, settleMost-time.Since(began))))
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("inotify: closed")
			}
			c.loop.Wake() // events were lost: read again
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("inotify: %w", err)
			}
		case <-check.C:
		case <-quiet.C:
			began = time.Time{}
			c.loop.Wake()
		}
	}
}

// arm watches the path and the nearest folder above it that exists, so that a folder made, renamed or made again is noticed. watched
// holds the inode behind each watch; added says that a watch is new.
func arm(w *fsnotify.Watcher, watched map[string]uint64, path string) (added bool, err error) {
	want := map[string]uint64{}
	if filepath.IsAbs(path) {
		if ino, dir := inode(path); ino != 0 && dir {
			want[path] = ino
		}
		for up := filepath.Dir(path); ; up = filepath.Dir(up) {
			if ino, dir := inode(up); ino != 0 && dir {
				want[up] = ino
				break
			}
			if up == filepath.Dir(up) {
				break
			}
		}
	}
	for p, ino := range watched {
		if want[p] != ino {
			_ = w.Remove(p) // gone with its folder already, often
			delete(watched, p)
		}
	}
	for p, ino := range want {
		if watched[p] == ino {
			continue
		}
		if err := w.Add(p); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				continue // it went meanwhile; the folder above tells
			}
			return added, fmt.Errorf("watch %s: %w%s", p, err, hint(err))
		}
		watched[p], added = ino, true
	}
	return added, nil
}

func inode(path string) (uint64, bool) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return s.Ino, st.IsDir()
}

// concerns tells whether a change at name may change what is read at path: the path itself, what is in it, or a folder above it.
func concerns(name, path string) bool {
	return name == path || filepath.Dir(name) == path || strings.HasPrefix(path, strings.TrimSuffix(name, "/")+"/")
}

// hint says what to do where the kernel's bounds on inotify are used up.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return " (raise fs.inotify.max_user_instances)"
	case errors.Is(err, syscall.ENOSPC):
		return " (raise fs.inotify.max_user_watches)"
	}
	return ""
}
