package podlogs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/state"
)

func TestExpired(t *testing.T) {
	at := func(uid string, age time.Duration, bytes int64) sized {
		return sized{Removed{UID: uid, At: epoch.Add(-age)}, bytes}
	}
	all := []sized{at("b", 2*time.Hour, 20), at("a", 3*time.Hour, 10), at("c", time.Hour, 30), at("future", -time.Hour, 5)}
	for _, c := range []struct {
		keep time.Duration
		max  int64
		gone string
		next time.Duration // from now; 0: never
	}{
		{24 * time.Hour, 1000, "", 21 * time.Hour},
		{2 * time.Hour, 1000, "ab", time.Hour},
		{0, 1000, "abc", time.Hour},
		{24 * time.Hour, 65, "", 21 * time.Hour},
		{24 * time.Hour, 64, "a", 22 * time.Hour},
		{24 * time.Hour, 34, "abc", 25 * time.Hour},
		{24 * time.Hour, 0, "abcfuture", 0},
		{2 * time.Hour, 34, "abc", 3 * time.Hour},
		{-1, 35, "ab", 0},
		{-1, -1, "", 0},
	} {
		gone, next := expired(all, epoch, c.keep, c.max)
		got := ""
		for _, r := range gone {
			got += r.UID
		}
		if got != c.gone || c.next == 0 != next.IsZero() || c.next != 0 && !next.Equal(epoch.Add(c.next)) {
			t.Errorf("keep %v, %d bytes: %q, next %v; want %q, %v", c.keep, c.max, got, next.Sub(epoch), c.gone, c.next)
		}
	}
}

// collecting is a collector over a root.
type collecting struct {
	*Collector
	root, links string
	live        map[string]bool
}

func newCollecting(t *testing.T, cfg KeepConfig) *collecting {
	t.Helper()
	base := t.TempDir()
	store, err := state.Open(filepath.Join(base, "state"))
	must(t, err)
	t.Cleanup(func() { store.Close() })
	c := &collecting{root: filepath.Join(base, "pods"), links: filepath.Join(base, "containers"), live: map[string]bool{}}
	must(t, os.Mkdir(c.root, 0o755))
	c.Collector = NewCollector(CollectorDeps{Root: c.root, LinkDir: c.links, Store: store, Log: zap.NewNop(),
		Config: func() KeepConfig { return cfg }, Live: func(uid string) bool { return c.live[uid] }})
	return c
}

// pod makes a pod's log folder.
func (c *collecting) pod(t *testing.T, uid string, bytes int) string {
	t.Helper()
	dir := filepath.Join(c.root, "default_web-"+uid+"_"+uid)
	write(t, filepath.Join(dir, "web", "0.log"), strings.Repeat("x", bytes))
	must(t, Link(c.links, filepath.Join(dir, "web", "0.log"), "web-"+uid, "default", "web", "c"))
	return dir
}

func (c *collecting) left(t *testing.T) string {
	t.Helper()
	return strings.Join(names(t, c.root), " ")
}

func TestCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollecting(t, KeepConfig{})
		a, b, back := c.pod(t, "a", 10), c.pod(t, "b", 10), c.pod(t, "back", 10)
		c.pod(t, "never", 10) // never recorded
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		<-c.Ready()
		must(t, c.Record("a", a))
		must(t, c.Record("back", back))
		time.Sleep(time.Hour)
		must(t, c.Record("b", b))
		must(t, c.Record("a", a)) // again: the first time counts
		must(t, c.Returned("back"))
		must(t, c.Returned("unknown"))
		time.Sleep(22 * time.Hour)
		synctest.Wait()
		if got := len(names(t, c.root)); got != 4 {
			t.Errorf("%d folders after 23 h: %s", got, c.left(t))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := c.left(t); got != "default_web-b_b default_web-back_back default_web-never_never" {
			t.Error(got)
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if got := c.left(t); got != "default_web-back_back default_web-never_never" {
			t.Error(got)
		}
		if got := names(t, c.links); !slices.Equal(got, []string{"web-back_default_web-c.log", "web-never_default_web-c.log"}) {
			t.Errorf("links %v", got)
		}
		if r, err := c.Records(); err != nil || len(r) != 0 {
			t.Errorf("%v, %v", r, err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestCollectorBound(t *testing.T) {
	c := newCollecting(t, KeepConfig{MaxBytes: 200 << 10})
	for i := range 5 {
		uid := fmt.Sprint("u", i)
		must(t, c.Record(uid, c.pod(t, uid, 64<<10)))
	}
	_, err := c.collect(t.Context())
	must(t, err)
	if got := c.left(t); got != "default_web-u3_u3 default_web-u4_u4" { // each takes its folders' blocks too
		t.Error(got)
	}
}

// TestCollectorSurvives: records outlive the process, and a pod that lives again is not touched though nobody said so.
func TestCollectorSurvives(t *testing.T) {
	c := newCollecting(t, KeepConfig{Keep: time.Nanosecond})
	a, b := c.pod(t, "a", 10), c.pod(t, "b", 10)
	must(t, c.Record("a", a))
	must(t, c.Record("b", b))
	must(t, os.RemoveAll(b)) // a crash between removing and forgetting
	again := NewCollector(c.d)
	c.live["a"] = true
	_, err := again.collect(t.Context())
	must(t, err)
	if got := c.left(t); got != "default_web-a_a" {
		t.Error(got)
	}
	if got := names(t, c.links); !slices.Equal(got, []string{"web-a_default_web-c.log"}) {
		t.Errorf("links %v", got)
	}
	if r, err := again.Records(); err != nil || len(r) != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestCollectorTouchesNothingElse: what is not exactly what was recorded stays, whatever the records say.
func TestCollectorTouchesNothingElse(t *testing.T) {
	c := newCollecting(t, KeepConfig{Keep: time.Nanosecond})
	outside := filepath.Join(filepath.Dir(c.root), "default_x_u1")
	write(t, filepath.Join(outside, "0.log"), "precious")
	inside := c.pod(t, "u2", 10)
	link := filepath.Join(c.root, "default_link_u3")
	must(t, os.Symlink(outside, link))
	file := filepath.Join(c.root, "default_file_u4")
	write(t, file, "precious")
	bad := []Removed{
		{UID: "u1", Dir: outside},
		{UID: "u2", Dir: c.root},
		{UID: "u9", Dir: inside},
		{UID: "", Dir: filepath.Join(c.root, "default_x_")},
		{UID: "u2", Dir: filepath.Join(c.root, "..", "pods", filepath.Base(inside), "web")},
		{UID: "u1", Dir: c.root + "/../default_x_u1"},
		{UID: "u5", Dir: "/"},
		{UID: "u6", Dir: ""},
	}
	for _, r := range bad {
		if err := c.Record(r.UID, r.Dir); !errors.Is(err, errNotOurs) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	// From a state file that somebody edited.
	must(t, c.save(append(bad, Removed{UID: "u3", Dir: link}, Removed{UID: "u4", Dir: file})))
	_, err := c.collect(t.Context())
	must(t, err)
	for _, path := range []string{filepath.Join(outside, "0.log"), filepath.Join(inside, "web", "0.log"), link, file} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if r, err := c.Records(); err != nil || len(r) != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestCollectorFollowsNoLink: a link within a pod's folder goes, what it leads to stays.
func TestCollectorFollowsNoLink(t *testing.T) {
	c := newCollecting(t, KeepConfig{Keep: time.Nanosecond})
	outside := filepath.Join(filepath.Dir(c.root), "precious")
	write(t, filepath.Join(outside, "file"), "precious")
	dir := c.pod(t, "u1", 10)
	must(t, os.Symlink(outside, filepath.Join(dir, "evil")))
	must(t, c.Record("u1", dir))
	_, err := c.collect(t.Context())
	must(t, err)
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil || c.left(t) != "" {
		t.Errorf("%s, %v", c.left(t), err)
	}
}

// TestPodThatCameBackMeanwhile: between the decision and the removal.
func TestPodThatCameBackMeanwhile(t *testing.T) {
	c := newCollecting(t, KeepConfig{})
	dir := c.pod(t, "u1", 10)
	must(t, c.Record("u1", dir))
	records, err := c.Records()
	must(t, err)
	must(t, c.Returned("u1"))
	must(t, c.remove(records[0]))
	if got := c.left(t); got != filepath.Base(dir) {
		t.Error(got)
	}
}

func TestCollectorWithoutItsRoot(t *testing.T) {
	c := newCollecting(t, KeepConfig{Keep: time.Nanosecond})
	must(t, c.Record("u1", c.pod(t, "u1", 10)))
	must(t, os.Rename(c.root, c.root+".away"))
	if _, err := c.collect(t.Context()); err == nil {
		t.Error("no error")
	}
	if r, err := c.Records(); err != nil || len(r) != 1 {
		t.Errorf("%v, %v: a file system that is not mounted is no folder that is gone", r, err)
	}
}

func TestStoreThatFails(t *testing.T) {
	c := newCollecting(t, KeepConfig{Keep: time.Nanosecond})
	dir := c.pod(t, "u1", 10)
	c.d.Store = failing{}
	if err := c.Record("u1", dir); err == nil {
		t.Error("recorded, and not on disk")
	}
	if _, err := c.collect(t.Context()); err == nil {
		t.Error("no error")
	}
	if got := c.left(t); got != filepath.Base(dir) {
		t.Error(got)
	}
}

type failing struct{}

func (failing) SaveDurable(string, int, any) error  { return errors.New("disk full") }
func (failing) Load(string, int, any) (bool, error) { return false, errors.New("another version") }
