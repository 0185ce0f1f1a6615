package agent

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
)

// fakeLogind counts its locks and sends what a test says.
type fakeLogind struct {
	mu     sync.Mutex
	absent bool
	locks  int
	delay  time.Duration
	say    func(bool)
	lose   context.CancelFunc
}

func (f *fakeLogind) Watch(ctx context.Context, ready func(), fn func(bool)) error {
	f.mu.Lock()
	if f.absent {
		f.mu.Unlock()
		return errNoLogind
	}
	lost, lose := context.WithCancel(ctx)
	f.say, f.lose = fn, lose
	f.mu.Unlock()
	ready()
	<-lost.Done()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New("logind was restarted")
}

type fakeLock struct{ f *fakeLogind }

func (l fakeLock) Close() error { l.f.mu.Lock(); l.f.locks--; l.f.mu.Unlock(); return nil }

func (f *fakeLogind) Inhibit(context.Context) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.locks++
	return fakeLock{f}, nil
}

func (f *fakeLogind) MaxDelay(context.Context) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.delay, nil
}

func (f *fakeLogind) set(delay time.Duration) { f.mu.Lock(); f.delay = delay; f.mu.Unlock() }

func (f *fakeLogind) held() int { f.mu.Lock(); defer f.mu.Unlock(); return f.locks }

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLogind{delay: 30 * time.Second}
		board := health.NewBoard(nil, nodeShutdown)
		var did []string
		s := &shutdown{bus: f, board: board, record: func(event.Event) {}, log: zap.NewNop(), need: func() time.Duration { return 10 * time.Second },
			prepare: []func(context.Context){func(context.Context) { did = append(did, "vip") }},
			stop: func(ctx context.Context) error {
				did = append(did, "stop")
				by, _ := ctx.Deadline()
				if left := time.Until(by); left != 29500*time.Millisecond {
					t.Errorf("the pods have %s", left)
				}
				if f.held() != 1 {
					t.Error("the lock is not held while the pods stop")
				}
				return nil
			},
			stay: func() { did = append(did, "stay") }}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- s.run(ctx) }()
		synctest.Wait()
		entry := func() health.Entry {
			c, _ := board.Snapshot().Of(nodeShutdown.Name)
			return c.Entries[0]
		}
		if f.held() != 1 || entry().Status != health.OK {
			t.Fatalf("%d locks, %+v", f.held(), entry())
		}
		f.say(true)
		synctest.Wait()
		if f.held() != 0 || len(did) != 2 || did[0] != "vip" || did[1] != "stop" {
			t.Fatalf("%d locks, did %v", f.held(), did)
		}
		f.say(false)
		synctest.Wait()
		if f.held() != 1 || did[2] != "stay" {
			t.Fatalf("%d locks, did %v", f.held(), did)
		}
		f.set(5 * time.Second)
		time.Sleep(shutdownLook)
		synctest.Wait()
		if e := entry(); e.Status != health.Failing || e.Reason != shutdownShort {
			t.Errorf("%+v", e)
		}
		f.lose()
		synctest.Wait()
		if e := entry(); f.held() != 0 || e.Reason != shutdownNone {
			t.Errorf("%d locks, %+v", f.held(), e)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if f.held() != 1 {
			t.Error("the lock was not taken again")
		}
		f.absent = true
		f.lose()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if e := entry(); e.Status != health.Absent {
			t.Errorf("%+v", e)
		}
		cancel()
		<-over
		if f.held() != 0 {
			t.Error("a lock is left")
		}
	})
}
