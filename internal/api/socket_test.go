package api

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"
)

type task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	Beat() time.Time
	Bound() time.Duration
	String() string
}

var _, _ task = (*Socket)(nil), (*Listener)(nil)

// start runs a server until the test ends or stop is called, which returns what Run returned.
func start(t *testing.T, s task) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("%s did not start: %v", s, err)
	}
	done := false
	stop = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { stop() })
	return stop
}

// testSocket is a socket whose verbs the test itself may use, root or not.
func testSocket(t *testing.T, b Backend) (*Socket, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.sock")
	return newSocket(SocketConfig{Path: path}, b, zap.NewNop(), uint32(os.Geteuid())), path
}

func mode(t *testing.T, path string) (fs.FileMode, *unix.Stat_t) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fs.FileMode(st.Mode & 0o777), &st
}

func TestSocketFile(t *testing.T) {
	t.Run("without a group", func(t *testing.T) {
		old := unix.Umask(0o077)
		defer unix.Umask(old)
		dir := filepath.Join(t.TempDir(), "x", "run")
		path := filepath.Join(dir, "a.sock")
		s := NewSocket(SocketConfig{Path: path}, Backend{}, zap.NewNop())
		stop := start(t, s)
		if m, st := mode(t, path); m != 0o600 || int(st.Uid) != os.Geteuid() {
			t.Errorf("mode %v, owner %d", m, st.Uid)
		}
		if m, _ := mode(t, dir); m != 0o755 {
			t.Errorf("the folder has mode %v", m)
		}
		if _, err := os.Lstat(path + "~"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left behind: %v", err)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is there after the end: %v", err)
		}
		if b, err := os.ReadDir(dir); err != nil || len(b) != 0 {
			t.Errorf("left behind: %v %v", b, err)
		}
	})
	t.Run("of a group", func(t *testing.T) {
		g, err := user.LookupGroupId(strconv.Itoa(os.Getegid())) // one that this process may give files to
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "a.sock")
		start(t, NewSocket(SocketConfig{Path: path, Group: g.Name}, Backend{}, zap.NewNop()))
		if m, st := mode(t, path); m != 0o660 || int(st.Gid) != os.Getegid() {
			t.Errorf("mode %v, group %d", m, st.Gid)
		}
	})
	t.Run("of a group that is missing", func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		path := filepath.Join(t.TempDir(), "a.sock")
		s := NewSocket(SocketConfig{Path: path, Group: "no-such-group-here"}, Backend{}, zap.New(core))
		for range 2 {
			l, err := s.open()
			if err != nil {
				t.Fatal(err)
			}
			if m, _ := mode(t, path); m != 0o600 {
				t.Errorf("mode %v", m)
			}
			l.Close()
		}
		if n := logs.FilterMessageSnippet("groupadd --system no-such-group-here").Len(); n != 1 {
			t.Errorf("said %d times: %v", n, logs.All())
		}
	})
}

func TestSocketIsTaken(t *testing.T) {
	dir := t.TempDir()
	fails := func(path, want string) error {
		t.Helper()
		err := NewSocket(SocketConfig{Path: path}, Backend{}, zap.NewNop()).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		return err
	}

	live := filepath.Join(dir, "live.sock")
	stop := start(t, NewSocket(SocketConfig{Path: live}, Backend{}, zap.NewNop()))
	if err := fails(live, "stop that one"); !errors.Is(err, ErrSocketTaken) {
		t.Errorf("got %v", err)
	}
	if c, err := net.Dial("unix", live); err != nil {
		t.Errorf("the living one was hurt: %v", err)
	} else {
		c.Close()
	}
	stop()

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(file, "no socket")
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("a file was replaced")
	}
	fails(filepath.Join(dir, strings.Repeat("x", 120)), "shorter")
	fails(filepath.Join(file, "a.sock"), "not a directory")

	// What a killed daemon leaves: a socket that nobody listens on, and the name it is made under.
	stale := filepath.Join(dir, "stale.sock")
	for _, p := range []string{stale, stale + "~"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	start(t, NewSocket(SocketConfig{Path: stale}, Backend{}, zap.NewNop()))
	c, err := net.Dial("unix", stale)
	if err != nil {
		t.Fatalf("the stale socket was not replaced: %v", err)
	}
	c.Close()
}

// Who ends does not take away the socket of who came after.
func TestSocketRemovesOnlyItsOwn(t *testing.T) {
	s, path := testSocket(t, Backend{})
	stop := start(t, s)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	start(t, NewSocket(SocketConfig{Path: path}, Backend{}, zap.NewNop()))
	stop()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the second one's socket is gone: %v", err)
	}
	c.Close()
}

// as runs fn in a thread of another user. The thread ends with it.
func as(t *testing.T, uid int, fn func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is not used again
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		if errno != 0 {
			done <- errno
			return
		}
		fn()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatalf("become uid %d: %v", uid, err)
	}
}

// Reads are for whoever may open the socket, verbs for one user: by what the kernel says, not by what is sent.
func TestVerbsNeedRoot(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.sock")
	me, other := os.Geteuid(), 65534
	admin := uint32(me)
	if me != 0 { // no other user can be had: then this one is the other
		other, admin = me, uint32(me)+1
	}
	b := working()
	s := newSocket(SocketConfig{Path: path}, b.backend(), zap.NewNop(), admin)
	start(t, s)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	ask := func(c net.Conn, method, target, body string) (int, string) {
		t.Helper()
		h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://x"+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := h.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var buf bytes.Buffer
		buf.ReadFrom(res.Body)
		return res.StatusCode, buf.String()
	}
	dial := func(uid int) net.Conn {
		t.Helper()
		var c net.Conn
		var err error
		if uid == me {
			c, err = net.Dial("unix", path)
		} else {
			as(t, uid, func() { c, err = net.Dial("unix", path) })
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, r := range b.backend().routes() {
		target := strings.ReplaceAll(r.path, "{name}", "X")
		status, text := ask(dial(other), r.method, target, "{}")
		switch {
		case r.method == "GET" && status != http.StatusOK:
			t.Errorf("%s %s as uid %d: %d %s", r.method, target, other, status, text)
		case r.method != "GET" && (status != http.StatusForbidden || !strings.Contains(text, `"fix":"run it with sudo"`) || !strings.Contains(text, "uid "+strconv.Itoa(other))):
			t.Errorf("%s %s as uid %d: %d %s", r.method, target, other, status, text)
		}
	}
	if calls := b.called(); calls != "" {
		t.Errorf("verbs ran for uid %d: %s", other, calls)
	}
	if admin == uint32(me) {
		if status, text := ask(dial(me), "POST", "/v1/pods/restart", `{"name":"etcd"}`); status != http.StatusOK {
			t.Errorf("as the admin: %d %s", status, text)
		}
	}
}
