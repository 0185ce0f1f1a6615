package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// socket watches the folder of the runtime's socket, so that a runtime that comes is connected to at once. Without inotify the looks
// find it too, only later.
type socket struct {
	link  *link
	stir  func()
	log   *zap.Logger
	ready chan struct{}
	once  sync.Once
	tell  func()                // polls changed
	polls atomic.Pointer[error] // why the socket is polled; nil: it is watched
	again time.Duration         // the pause before inotify is asked for again
}

func newSocket(l *link, stir, tell func(), log *zap.Logger) *socket {
	return &socket{link: l, stir: stir, tell: tell, log: log, ready: make(chan struct{}), again: inotifyRetry}
}

// inotifyRetry is the pause before inotify is asked for again where the user's instances were used up.
const inotifyRetry = 30 * time.Second

// Run watches until ctx ends.
func (s *socket) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		w, err := fsnotify.NewWatcher()
		if err == nil {
			err = s.watch(ctx, w)
			w.Close()
			if err == nil {
				continue
			}
		}
		s.once.Do(func() { close(s.ready) })
		if s.polls.Swap(&err) == nil {
			s.tell()
			s.log.Warn("the runtime's socket can't be watched, it is polled instead: raise fs.inotify.max_user_instances if it is used up", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.again):
		}
	}
	return ctx.Err()
}

// watch ends with ctx, and with an error once the folder can't be watched.
func (s *socket) watch(ctx context.Context, w *fsnotify.Watcher) error {
	at := ""
	for {
		c, changed := s.link.current()
		path := ""
		if c != nil {
			path = c.endpoint.Path
		}
		moved, err := s.follow(w, &at, path)
		if err != nil {
			return err
		}
		if at != "" && s.polls.Swap(nil) != nil {
			s.tell()
			s.log.Info("the runtime's socket is watched again")
		}
		if moved {
			s.stir() // what happened before the watch stood was not seen
		}
		s.once.Do(func() { close(s.ready) })
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case ev, ok := <-w.Events:
			switch {
			case !ok:
				return nil
			case ev.Name == at: // the folder itself went away, and its watch with it
				at = ""
			case path == ev.Name, strings.HasPrefix(path, ev.Name+"/"):
				s.stir()
			}
		case _, ok := <-w.Errors: // events were lost
			if !ok {
				return nil
			}
			s.stir()
		}
	}
}

// follow watches the nearest folder above path that is there, in at's place, and reports whether that is another one. A folder that is there
// and can't be watched is an error: a user's watches are as limited as the instances.
func (s *socket) follow(w *fsnotify.Watcher, at *string, path string) (moved bool, err error) {
	for {
		want := ""
		if path != "" {
			want = nearest(filepath.Dir(path))
		}
		if want == *at {
			return moved, nil
		}
		if *at != "" {
			_ = w.Remove(*at) // it may be gone
		}
		*at = ""
		if want == "" {
			return moved, nil
		}
		if err := w.Add(want); errors.Is(err, os.ErrNotExist) {
			continue // it went meanwhile
		} else if err != nil {
			return moved, fmt.Errorf("watch %s: %w", want, err)
		}
		*at, moved = want, true // and once more: a folder below it may have come meanwhile
	}
}

func nearest(dir string) string {
	for {
		if st, err := os.Stat(dir); err == nil && st.IsDir() || dir == "/" {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// Ready is closed once the watch stands, or can't.
func (s *socket) Ready() <-chan struct{} { return s.ready }

// Beat is always now: the task only waits.
func (s *socket) Beat() time.Time { return time.Now() }

// Bound is generous, for nothing here takes time.
func (s *socket) Bound() time.Duration { return 30 * time.Second }

func (s *socket) String() string { return "runtime socket" }
