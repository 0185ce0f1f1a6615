package keepalive

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

func serving(t testing.TB, names ...string) (dir string, s *sockets) {
	t.Helper()
	dir = t.TempDir()
	s = newSockets(dir, func() []string { return names }, func(p string) (string, bool) { return "fit 0 ok " + p + "\n", true }, zap.NewNop())
	start(t, s.Run)
	<-s.Ready()
	return dir, s
}

func ask(path string) (string, error) {
	c, err := net.DialTimeout("unix", path, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

func TestSocketsAnswer(t *testing.T) {
	dir, s := serving(t, "a", "b")
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name+".sock")
		got, err := ask(path)
		if err != nil || got != "fit 0 ok "+name+"\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o666 {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a.sock")); err != nil {
		t.Fatal(err)
	}
	s.wake()
	eventually(t, "a socket that was removed", func() bool { got, err := ask(filepath.Join(dir, "a.sock")); return err == nil && got != "" })
}

func TestSocketsFollowThePolicies(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	names := []string{"old"}
	s := newSockets(dir, func() []string { mu.Lock(); defer mu.Unlock(); return names }, func(string) (string, bool) { return "x\n", true }, zap.NewNop())
	start(t, s.Run)
	<-s.Ready()
	mu.Lock()
	names = []string{"new"}
	mu.Unlock()
	s.wake()
	eventually(t, "the new socket", func() bool { _, err := ask(filepath.Join(dir, "new.sock")); return err == nil })
	eventually(t, "the end of the old one", func() bool {
		_, err := os.Lstat(filepath.Join(dir, "old.sock"))
		return errors.Is(err, os.ErrNotExist)
	})
}

func TestSocketLeavesFilesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listen(path); err == nil {
		l.Close()
		t.Error("a file was replaced")
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Error("a file was removed")
	}
}

// 10,000 connections that say nothing and read nothing must cost under 20 MB and disturb no good one. They come in waves, since one process
// may not hold as many descriptors everywhere; on the server's side each is over at once.
func TestSilentConnections(t *testing.T) {
	dir, s := serving(t, "vip")
	path := filepath.Join(dir, "vip.sock")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const waves, each = 20, 500
	var worst []time.Duration
	for range waves {
		var held []net.Conn
		for range each {
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		begin := time.Now()
		if got, err := ask(path); err != nil || !strings.HasPrefix(got, "fit") {
			t.Fatalf("a good client gets %q, %v", got, err)
		}
		worst = append(worst, time.Since(begin))
		for _, c := range held {
			c.Close()
		}
	}
	eventually(t, "every answer", func() bool { return s.answered.Load() >= waves*each+waves })
	runtime.GC()
	runtime.ReadMemStats(&after)
	slices.Sort(worst)
	grown := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("grown by %d KiB, a good client waits %v at the median, %v at worst", grown>>10, worst[waves/2], worst[waves-1])
	if grown > 20<<20 {
		t.Errorf("it costs %d bytes", grown)
	}
	if worst[waves-1] > time.Second {
		t.Errorf("a good client waited %v", worst[waves-1])
	}
}

func TestManyChecksAtOnce(t *testing.T) {
	dir, _ := serving(t, "vip")
	path := filepath.Join(dir, "vip.sock")
	var clients sync.WaitGroup
	var bad sync.Map
	for i := range 64 {
		clients.Go(func() {
			for range 20 {
				if got, err := ask(path); err != nil || got != "fit 0 ok vip\n" {
					bad.Store(i, err)
				}
			}
		})
	}
	clients.Wait()
	bad.Range(func(k, v any) bool { t.Errorf("client %v: %v", k, v); return true })
}

// A client that sends something gets its answer like any other: its words are never read.
func TestTalkativeClient(t *testing.T) {
	dir, _ := serving(t, "vip")
	c, err := net.Dial("unix", filepath.Join(dir, "vip.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n")) // it may be closed already
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "fit 0 ok vip\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func BenchmarkVerdictSocket(b *testing.B) {
	dir, _ := serving(b, "vip")
	path := filepath.Join(dir, "vip.sock")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := ask(path); err != nil {
				b.Error(err)
			}
		}
	})
}
