package keepalive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/reconcile"
)

// sockets answers on NAME.sock of each policy. Nothing is read from a client: the line is written into the socket's buffer and the connection
// closed at once, so that a client that is silent, slow or hostile holds nothing here.
type sockets struct {
	dir   string
	names func() []string
	line  func(policy string) (string, bool)
	log   *zap.Logger

	changed  chan struct{}
	ready    chan struct{}
	once     sync.Once
	answered atomic.Uint64
}

// answerTime bounds one answer. The line fits the buffer of an empty socket, so it never waits; the deadline is for what nobody thought of.
const answerTime = 100 * time.Millisecond

func newSockets(dir string, names func() []string, line func(string) (string, bool), log *zap.Logger) *sockets {
	return &sockets{dir: dir, names: names, line: line, log: log, changed: make(chan struct{}, 1), ready: make(chan struct{})}
}

// wake has the sockets follow the policies, after a reload.
func (s *sockets) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// recheck is how often the socket files are looked for: one that was removed is made again.
const recheck = 5 * time.Second

// Run serves until ctx ends; then the sockets are gone, and who checks falls back to the files.
func (s *sockets) Run(ctx context.Context) error {
	defer s.once.Do(func() { close(s.ready) })
	if _, err := openFolder(s.dir); err != nil {
		return err
	}
	open := map[string]*listener{}
	var serving sync.WaitGroup
	defer func() {
		for _, l := range open {
			l.Close()
		}
		serving.Wait()
	}()
	for {
		now := time.Now()
		var problems []error
		want := map[string]bool{}
		for _, name := range s.names() {
			want[name] = true
			if l := open[name]; l != nil && l.here() {
				continue
			}
			if l := open[name]; l != nil {
				l.Close()
				delete(open, name)
			}
			l, err := listen(filepath.Join(s.dir, name+".sock"))
			if err != nil {
				problems = append(problems, err)
				continue
			}
			open[name] = l
			serving.Go(func() { s.serve(l, name) })
		}
		for name, l := range open {
			if !want[name] {
				l.Close()
				delete(open, name)
			}
		}
		if err := errors.Join(problems...); err != nil {
			return fmt.Errorf("verdict sockets: %w", err)
		}
		s.once.Do(func() { close(s.ready) })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.changed:
		case <-time.After(reconcile.Wait(now.Add(recheck), now)):
		}
	}
}

func (s *sockets) serve(l *listener, policy string) {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no file descriptors left, or the like
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if line, ok := s.line(policy); ok {
			_ = c.SetWriteDeadline(time.Now().Add(answerTime))
			_, _ = c.Write([]byte(line)) // the client may be gone
		}
		c.Close()
		s.answered.Add(1)
	}
}

// listener is a unix socket that knows whether its file is still its own.
type listener struct {
	net.Listener
	path string
	made fs.FileInfo
}

// listen makes the socket, 0666: it tells no secret, and keepalived's script user need not be root. A file that is no socket is left alone.
func listen(path string) (*listener, error) {
	if st, err := os.Lstat(path); err == nil {
		if st.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s is in the way: move it", path)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // Close asks first whose the file is
	err = os.Chmod(path, 0o666)
	var st fs.FileInfo
	if err == nil {
		st, err = os.Lstat(path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return &listener{Listener: l, path: path, made: st}, nil
}

func (l *listener) here() bool {
	st, err := os.Lstat(l.path)
	return err == nil && os.SameFile(st, l.made)
}

// Close ends the listener and removes its file.
func (l *listener) Close() error {
	if l.here() {
		_ = os.Remove(l.path)
	}
	return l.Listener.Close()
}

// Ready is closed once the sockets listen, or can't.
func (s *sockets) Ready() <-chan struct{} { return s.ready }

// Beat is always now: an answer has a deadline.
func (s *sockets) Beat() time.Time { return time.Now() }

// Bound is generous, for nothing here takes time.
func (s *sockets) Bound() time.Duration { return 30 * time.Second }

func (s *sockets) String() string { return "verdict sockets" }
