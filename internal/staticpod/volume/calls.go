package volume

import (
	"context"
	"fmt"
	"sync"
)

// Calls bounds calls that can hang in the kernel: at most one goroutine a key (a path), however often it is asked for. The zero value is
// ready for use; it must not be copied.
type Calls struct {
	mu      sync.Mutex
	running map[string]chan struct{} // closed when the call is over
}

// Hung is a path whose call did not come back in time.
type Hung struct {
	Path string
	Err  error // the context's
}

func (h Hung) Error() string {
	return fmt.Sprintf("%s does not answer: check that the file system it lies on is alive (%v)", h.Path, h.Err)
}

func (h Hung) Unwrap() error { return h.Err }

// do runs fn in the key's goroutine, after what already runs there, and waits until it is over or ctx is. A result that nobody waits for
// any more goes to drop, if that is given. A panic of fn reaches the caller, or nobody.
func do[T any](ctx context.Context, c *Calls, key string, fn func() (T, error), drop func(T)) (T, error) {
	var none T
	over := make(chan struct{})
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s was not looked at: %w", key, err)
	}
	for busy := c.claim(key, over); busy != nil; busy = c.claim(key, over) {
		select {
		case <-busy:
		case <-ctx.Done():
			return none, Hung{Path: key, Err: ctx.Err()}
		}
	}
	var (
		value     T
		err       error
		panicked  any
		finished  bool
		abandoned bool
	)
	go func() {
		defer func() {
			panicked = recover()
			c.mu.Lock()
			defer c.mu.Unlock()
			finished = true
			delete(c.running, key)
			close(over)
			if abandoned && panicked == nil && err == nil && drop != nil {
				drop(value)
			}
		}()
		value, err = fn()
	}()
	select {
	case <-over:
	case <-ctx.Done():
		c.mu.Lock()
		abandoned = !finished
		c.mu.Unlock()
		if abandoned {
			return none, Hung{Path: key, Err: ctx.Err()}
		}
	}
	if panicked != nil {
		panic(panicked)
	}
	return value, err
}

// claim takes the key for a call that ends when over is closed, or returns the channel of the one that has it.
func (c *Calls) claim(key string, over chan struct{}) (busy chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if busy, ok := c.running[key]; ok {
		return busy
	}
	if c.running == nil {
		c.running = map[string]chan struct{}{}
	}
	c.running[key] = over
	return nil
}
