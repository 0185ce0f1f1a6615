package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// ErrSocketTaken says that a living process answers on the socket.
var ErrSocketTaken = errors.New("another nodeagent answers on this socket")

// pathLimit of a unix socket in bytes, less the character that its name carries while it is made; see sun_path in unix(7).
const pathLimit = 107 - 1

// SocketConfig is the unix socket's.
type SocketConfig struct {
	Path  string // absolute, at most 106 bytes; its folder is made 0755 if it is missing
	Group string // its members may read; empty or unknown: root alone
}

// Socket is the task that serves the API on the unix socket.
type Socket struct {
	*server
	config SocketConfig
	alone  sync.Once // the missing group was said
}

// NewSocket makes a socket that listens once Run runs. Run fails with ErrSocketTaken where a living process has it; the file of a dead
// one is replaced.
func NewSocket(c SocketConfig, b Backend, log *zap.Logger) *Socket { return newSocket(c, b, log, 0) }

func newSocket(c SocketConfig, b Backend, log *zap.Logger, admin uint32) *Socket {
	s := &Socket{server: newServer("api socket", log), config: c}
	s.handler, s.conn, s.listen = b.handler(admin), withPeer, s.open
	s.serve = func(h *http.Server, l net.Listener) error { return h.Serve(l) }
	return s
}

// open makes the socket under another name and moves it into place with its owner and mode set, so that at no time more may connect than
// later, and a dead daemon's file is replaced in one step.
func (s *Socket) open() (net.Listener, error) {
	path := s.config.Path
	if len(path) > pathLimit {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes, a unix socket takes %d: set api.socket to a shorter one", path, len(path), pathLimit)
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := vacant(path); err != nil {
		return nil, err
	}
	tmp := path + "~"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err = s.own(tmp); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		l.Close()
		os.Remove(tmp)
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	made, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return &owned{Listener: l, path: path, made: made}, nil
}

func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) // whatever the umask
}

// vacant is nil if nothing is at the path, or the socket of a process that is gone.
func vacant(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on %s: %w", path, err)
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on %s: something is there that is no socket: move it away, or set api.socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		c.Close()
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("listen on %s: %w: stop that one (`systemctl stop nodeagent`), or set another api.socket", path, ErrSocketTaken)
}

// own gives the file to root and the group: 0660, or 0600 where there is no such group.
func (s *Socket) own(path string) error {
	gid := -1
	if s.config.Group != "" {
		g, err := user.LookupGroup(s.config.Group)
		if err == nil {
			gid, err = strconv.Atoi(g.Gid)
		}
		if err != nil {
			gid = -1
			s.alone.Do(func() {
				s.log.Info("group is missing, so only root can use the socket: create it with `groupadd --system "+s.config.Group+"`, then restart the agent",
					zap.String("group", s.config.Group), zap.String("socket", s.config.Path))
			})
		}
	}
	if gid < 0 {
		return os.Chmod(path, 0o600)
	}
	if err := os.Chmod(path, 0o600); err != nil { // not 0660 while the group is still another
		return err
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return err
	}
	return os.Chmod(path, 0o660)
}

// owned removes its file when it closes, if it is still its own.
type owned struct {
	net.Listener
	path string
	made fs.FileInfo
	once sync.Once
}

func (l *owned) Close() error {
	l.once.Do(func() {
		if st, err := os.Lstat(l.path); err == nil && os.SameFile(st, l.made) {
			os.Remove(l.path)
		}
	})
	return l.Listener.Close()
}
