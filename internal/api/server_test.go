package api

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/view"
)

// Command line and daemon over a real socket, each route once.
func TestClientAndSocket(t *testing.T) {
	b := working()
	s, path := testSocket(t, b.backend())
	stop := start(t, s)
	c := client.New(path)
	defer c.Close()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}

	st, err := c.Status(ctx)
	must(err)
	if st.Node != "n1" || !st.Daemon {
		t.Errorf("got %+v", st)
	}
	pods, err := c.Pods(ctx)
	must(err)
	if pods == nil || len(pods) != 0 {
		t.Errorf("got %+v", pods)
	}
	since := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600))
	events, err := c.Events(ctx, since)
	must(err)
	if len(events) != 1 || !events[0].Time.Equal(since) {
		t.Errorf("got %+v", events)
	}
	if after, err := c.EventsAfter(ctx, 41); err != nil || len(after) != 1 || after[0].Seq != 42 {
		t.Errorf("events after 41: %+v, %v", after, err)
	}
	events, err = c.Events(ctx, time.Time{})
	must(err)
	if len(events) != 0 {
		t.Errorf("got %+v", events)
	}
	for _, name := range []string{"RuntimeReady", "a/b", "a b?c#d%e", "é", "..."} {
		check, err := c.Check(ctx, name, "x/y&z")
		must(err)
		if check.Name != name || check.Message != "x/y&z" {
			t.Errorf("asked for %q, got %+v", name, check)
		}
	}
	var refused *view.Error
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.Check(ctx, name, ""); !errors.As(err, &refused) || refused.Fix == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
	text, err := c.Config(ctx)
	must(err)
	if text != "nodeName: n1\n" {
		t.Errorf("got %q", text)
	}
	r, err := c.Reload(ctx)
	must(err)
	if r.Outcome != view.ReloadApplied || len(r.Changed) != 1 {
		t.Errorf("got %+v", r)
	}
	m, err := c.Mute(ctx, view.MuteRequest{Condition: "C", Subject: "s", For: "1h", Reason: "r", By: "me"})
	must(err)
	if m.Condition != "C" || time.Until(m.Until) < 59*time.Minute {
		t.Errorf("got %+v", m)
	}
	must(c.Unmute(ctx, "C", "s"))
	must(c.RestartPod(ctx, "default/web"))
	must(c.StopPod(ctx, "web", 90*time.Minute))
	must(c.StartPod(ctx, "web"))
	if m, err := c.StartMaintenance(ctx, view.MaintenanceRequest{For: "1h", Reason: "disk", By: "me"}); err != nil || m.Reason != "disk" {
		t.Errorf("%+v, %v", m, err)
	}
	must(c.StopMaintenance(ctx))
	if got, want := b.called(), "reload; mute C/s for 1h0m0s, r, by me; unmute C/s; restart default/web; stop web for 1h30m0s; start web; maintain for 1h0m0s, disk, by me, false; end maintenance"; got != want {
		t.Errorf("called %q, want %q", got, want)
	}

	b.err = &view.Error{Problem: "no pod web", Fix: "see `nodeagent pods`"}
	if err := c.RestartPod(ctx, "web"); !errors.As(err, &refused) || refused.Problem != "no pod web" || refused.Fix == "" || errors.Is(err, client.ErrNeedsRoot) {
		t.Errorf("got %v", err)
	}
	stop()
	if _, err := c.Status(ctx); !errors.Is(err, client.ErrNoDaemon) {
		t.Errorf("after the end: %v", err)
	}
}

func TestClientLearnsThatAVerbNeedsRoot(t *testing.T) {
	s, path := testSocket(t, working().backend())
	s.handler = working().backend().handler(uint32(1 << 31)) // somebody else
	start(t, s)
	err := client.New(path).RestartPod(t.Context(), "web")
	var e *view.Error
	if !errors.Is(err, client.ErrNeedsRoot) || !errors.As(err, &e) || e.Fix != "run it with sudo" {
		t.Errorf("got %v", err)
	}
}

// A long poll waits for the change, and ends at once when the daemon does.
func TestWatch(t *testing.T) {
	b := working()
	backend, polled := b.backend(), make(chan uint64, 1)
	changed := backend.Changed
	backend.Changed = func(ctx context.Context, after uint64) uint64 {
		polled <- after
		return changed(ctx, after)
	}
	s, path := testSocket(t, backend)
	stop := start(t, s)
	c := client.New(path)
	defer c.Close()
	first, err := c.Watch(t.Context(), 1) // of an earlier daemon: at once
	if err != nil {
		t.Fatal(err)
	}
	<-polled
	got := make(chan view.Watch)
	go func() {
		w, err := c.Watch(t.Context(), first.Seq)
		if err != nil {
			t.Error(err)
		}
		got <- w
	}()
	<-polled
	b.seq.Bump()
	second := <-got
	if second.Seq != first.Seq+1 || second.Status.Node != "n1" {
		t.Errorf("got %+v after %+v", second, first)
	}

	ended := make(chan error)
	go func() {
		_, err := c.Watch(t.Context(), second.Seq)
		ended <- err
	}()
	<-polled
	before := time.Now()
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if d := time.Since(before); d >= shutdownTimeout {
		t.Errorf("a long poll held the end up for %v", d)
	}
	var e *view.Error
	if err := <-ended; !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

func TestSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSequence()
		n := s.Wait(t.Context(), 0)
		ctx, cancel := context.WithTimeout(t.Context(), pollTimeout)
		defer cancel()
		start := time.Now()
		if got := s.Wait(ctx, n); got != n || time.Since(start) != pollTimeout {
			t.Errorf("got %d after %v, want %d after 30 s", got, time.Since(start), n)
		}
		var waiters sync.WaitGroup
		for range 5 {
			waiters.Go(func() {
				if got := s.Wait(t.Context(), n); got != n+1 {
					t.Errorf("got %d, want %d", got, n+1)
				}
			})
		}
		synctest.Wait()
		s.Bump()
		waiters.Wait()
	})
}

// A request that is stuck, and a caller that says nothing, hold the end up for the grace and no longer.
func TestEndDespiteStuckRequests(t *testing.T) {
	b := working().backend()
	entered, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	b.Config = func() string {
		close(entered)
		<-leave
		return ""
	}
	s, path := testSocket(t, b)
	if s.grace != 2*time.Second {
		t.Errorf("the grace is %v", s.grace)
	}
	s.grace = 20 * time.Millisecond
	stop := start(t, s)
	silent, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	failed := make(chan error)
	go func() {
		_, err := client.New(path).Config(t.Context())
		failed <- err
	}()
	<-entered
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the stuck request was answered")
	}
}

// Beat stands still while a request does, and Run may be called again.
func TestBeatAndSecondRun(t *testing.T) {
	b := working().backend()
	entered, leave := make(chan struct{}), make(chan struct{})
	b.Config = func() string {
		close(entered)
		<-leave
		return ""
	}
	s, path := testSocket(t, b)
	stop := start(t, s)
	c := client.New(path)
	defer c.Close()
	done := make(chan error)
	before := time.Now()
	go func() {
		_, err := c.Config(t.Context())
		done <- err
	}()
	<-entered
	beat := s.Beat()
	if beat.Before(before) || !s.Beat().Equal(beat) {
		t.Errorf("beats %v and %v while a request of %v runs", beat, s.Beat(), before)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop()
	if now := time.Now(); s.Beat().Before(now) {
		t.Errorf("beat %v with no request in flight", s.Beat())
	}
	if s.Bound() < writeTimeout || s.String() != "api socket" {
		t.Errorf("%s has bound %v", s, s.Bound())
	}

	listening := make(chan struct{})
	s.listen = func() (net.Listener, error) {
		defer close(listening)
		return s.open()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	<-listening
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
