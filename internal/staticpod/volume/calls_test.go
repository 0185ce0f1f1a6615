package volume

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallThatHangsEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, hang := &Calls{}, make(chan struct{})
		var started atomic.Int32
		var dropped []int
		call := func(n int) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := do(ctx, c, "/dead", func() (int, error) { started.Add(1); <-hang; return n, nil }, func(n int) { dropped = append(dropped, n) })
			return err
		}
		for n := range 3 {
			h, ok := errors.AsType[Hung](call(n))
			if !ok || h.Path != "/dead" || !errors.Is(h, context.DeadlineExceeded) {
				t.Fatalf("error %v", h)
			}
		}
		if n := started.Load(); n != 1 {
			t.Errorf("%d goroutines hang on one path", n)
		}
		if v, err := do(t.Context(), c, "/alive", func() (int, error) { return 7, nil }, nil); v != 7 || err != nil {
			t.Errorf("another path waits too: %d, %v", v, err)
		}
		close(hang)
		synctest.Wait()
		if len(dropped) != 1 || dropped[0] != 0 {
			t.Errorf("dropped %v", dropped)
		}
		if err := call(3); err != nil || len(c.running) != 0 {
			t.Errorf("the path answers again and the call says %v; %d run", err, len(c.running))
		}
	})
}

func TestCallsOfOneKeyAreSerial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, now, most := &Calls{}, 0, 0
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := do(t.Context(), c, "/pod", func() (int, error) {
					now++
					most = max(most, now)
					time.Sleep(time.Millisecond)
					now--
					return 0, nil
				}, nil)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 1 {
			t.Errorf("%d ran at once", most)
		}
	})
}

func TestAPanicReachesTheCaller(t *testing.T) {
	c := &Calls{}
	defer func() {
		if r := recover(); r != "boom" || len(c.running) != 0 {
			t.Errorf("recovered %v; %d run", r, len(c.running))
		}
	}()
	do(t.Context(), c, "/x", func() (int, error) { panic("boom") }, nil)
	t.Error("the panic is lost")
}
