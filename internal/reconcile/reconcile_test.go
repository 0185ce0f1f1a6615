package reconcile

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{Initial: time.Second, Factor: 2, Max: 5 * time.Second, Jitter: 0.5}
	for level, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := b.Delay(level); got != want {
			t.Errorf("level %d: %v, want %v", level, got, want)
		}
		if got := b.Jittered(level); got < want || got > min(want*3/2, b.Max) {
			t.Errorf("level %d jittered: %v is out of bounds", level, got)
		}
	}
	if got := b.Delay(5000); got != b.Max {
		t.Errorf("a huge level: %v, want the limit", got)
	}
	if got := (Backoff{}).Jittered(3); got != 0 {
		t.Errorf("zero value delays by %v", got)
	}
}

func TestLoopRunsAtStartWakeAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var n atomic.Int32
		l := NewLoop(func(context.Context) (time.Time, error) {
			if n.Add(1) == 2 {
				return time.Now().Add(time.Minute), nil
			}
			return time.Time{}, nil
		}, Options{Name: "x"})
		go l.Run(ctx)
		expect := func(want int32) {
			t.Helper()
			synctest.Wait()
			if got := n.Load(); got != want {
				t.Fatalf("ran %d times, want %d", got, want)
			}
		}
		expect(1)
		<-l.Ready()
		time.Sleep(time.Hour)
		expect(1)
		l.Wake()
		expect(2)
		time.Sleep(59 * time.Second)
		expect(2)
		time.Sleep(time.Second)
		expect(3)
		stop()
		synctest.Wait()
	})
}

func TestLoopSurvivesPanicAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var errs []error
		var times []time.Duration
		began := time.Now()
		l := NewLoop(func(context.Context) (time.Time, error) {
			times = append(times, time.Since(began))
			if len(times) == 1 {
				panic("boom")
			}
			return time.Time{}, errors.New("no")
		}, Options{Backoff: Backoff{Initial: time.Second, Factor: 2}, OnError: func(err error) { errs = append(errs, err) }})
		go l.Run(ctx)
		time.Sleep(4 * time.Second)
		stop()
		synctest.Wait()
		if len(times) != 3 || times[1] != time.Second || times[2] != 3*time.Second {
			t.Fatalf("ran at %v, want 0, 1 s, 3 s", times)
		}
		var p *PanicError
		if !errors.As(errs[0], &p) || len(p.Stack) == 0 {
			t.Fatalf("first error %v: want a panic with its stack", errs[0])
		}
	})
}

func TestKeyedSerialPerKeyAndParallelAcross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var busy [2]atomic.Int32
		var runs [2]atomic.Int32
		q := NewKeyed(func(_ context.Context, k int) (time.Time, error) {
			if busy[k].Add(1) > 1 {
				t.Error("two dos of one key at once")
			}
			runs[k].Add(1)
			time.Sleep(time.Second)
			busy[k].Add(-1)
			return time.Time{}, nil
		}, Options{})
		q.Wake(0) // before Run: kept
		go q.Run(ctx)
		synctest.Wait()
		q.Wake(1)
		q.Wake(0)
		q.Wake(0)
		synctest.Wait()
		if runs[0].Load() != 1 || runs[1].Load() != 1 {
			t.Fatal("keys do not run beside one another")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := runs[0].Load(); got != 2 {
			t.Errorf("key 0 ran %d times, want 2: wakes while busy coalesce into one", got)
		}
		q.mu.Lock()
		if len(q.keys) != 0 {
			t.Errorf("%d idle keys are kept", len(q.keys))
		}
		q.mu.Unlock()
		stop()
		synctest.Wait()
	})
}

func TestKeyedNextAndErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		var at []time.Duration
		q := NewKeyed(func(context.Context, string) (time.Time, error) {
			at = append(at, time.Since(began))
			switch len(at) {
			case 1, 2:
				return time.Now().Add(time.Minute), errors.New("no")
			case 3:
				return time.Now().Add(time.Minute), nil
			}
			return time.Time{}, nil
		}, Options{Backoff: Backoff{Initial: time.Second, Factor: 2}})
		go q.Run(ctx)
		synctest.Wait()
		q.Wake("a")
		time.Sleep(time.Hour)
		stop()
		synctest.Wait()
		want := []time.Duration{0, time.Second, 3 * time.Second, 63 * time.Second}
		if len(at) != len(want) {
			t.Fatalf("ran at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Fatalf("ran at %v, want %v", at, want)
			}
		}
	})
}

func TestBeatTellsStuckFromIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		hold := make(chan struct{})
		do := func(context.Context) (time.Time, error) { <-hold; return time.Time{}, nil }
		l := NewLoop(do, Options{})
		q := NewKeyed(func(ctx context.Context, _ int) (time.Time, error) { return do(ctx) }, Options{})
		go l.Run(ctx)
		go q.Run(ctx)
		synctest.Wait()
		q.Wake(1)
		synctest.Wait()
		began := time.Now()
		time.Sleep(time.Hour)
		if !l.Beat().Equal(began) || !q.Beat().Equal(began) {
			t.Error("a stuck do does not show in the beat")
		}
		close(hold)
		time.Sleep(time.Hour)
		if time.Since(l.Beat()) > 0 || time.Since(q.Beat()) > 0 {
			t.Error("an idle loop does not beat")
		}
		stop()
		synctest.Wait()
	})
}
