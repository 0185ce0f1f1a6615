package reconcile

import (
	"fmt"
	"runtime/debug"
	"time"
)

// Options of a Loop or Keyed.
type Options struct {
	Name    string        // shown in conditions and logs
	Bound   time.Duration // one do takes no longer than this when all is well; the watchdog's measure. 0: 30 s
	Backoff Backoff       // after errors in a row of one key; zero: 100 ms x2 to 30 s
	OnError func(error)   // called with each error of do, outside of any lock; may be nil
}

func (o Options) filled() Options {
	if o.Bound <= 0 {
		o.Bound = 30 * time.Second
	}
	if o.Backoff.Initial <= 0 {
		o.Backoff = Backoff{Initial: 100 * time.Millisecond, Factor: 2, Max: 30 * time.Second, Jitter: 0.1}
	}
	return o
}

// PanicError is a panic of do, with its stack.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

func guard(do func() (time.Time, error)) (next time.Time, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return do()
}

// due is the earlier of the moment do asked for and the end of the back-off.
func due(next time.Time, err error, level int, b Backoff, now time.Time) time.Time {
	if err == nil {
		return next
	}
	retry := now.Add(b.Jittered(level))
	if next.IsZero() || retry.Before(next) {
		return retry
	}
	return next
}
