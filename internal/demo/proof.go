package demo

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"nodeagent/internal/lab"
)

// The pods of pods.yaml and their containers.
var wanted = map[string]string{"web": "serve", "crasher": "crash"}

// prove watches the pods through the runtime's own listing for as long as the demo is to last: each ran, and one whose process is killed
// comes back as the next attempt with another pid.
func (d *daemon) prove(ctx context.Context, l *lab.Lab, o Options, say func(string, ...any)) error {
	end, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	for pod, container := range wanted {
		s, err := await(end, l, func(s lab.Seen) bool { return is(s, pod, container) })
		if err != nil {
			return fmt.Errorf("pod %s never ran: %w\n%s", pod, err, d.lastLog())
		}
		say("pod %s runs: container %s, pid %d, attempt %d", pod, s.Container, s.PID, s.Attempt)
	}
	before, err := await(end, l, func(s lab.Seen) bool { return is(s, "web", "serve") })
	if err != nil {
		return fmt.Errorf("pod web: %w", err)
	}
	say("kill -9 %d (pod web)", before.PID)
	killed := time.Now()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the container of pod web: %w", err)
	}
	after, err := await(end, l, func(s lab.Seen) bool {
		return is(s, "web", "serve") && s.PID != before.PID && s.Attempt == before.Attempt+1
	})
	if err != nil {
		return fmt.Errorf("the killed container of pod web did not come back: %w\n%s", err, d.lastLog())
	}
	say("pod web is back after %s: pid %d, attempt %d", time.Since(killed).Round(time.Millisecond), after.PID, after.Attempt)
	select {
	case <-end.Done():
	case err := <-d.done:
		d.done <- err
		return fmt.Errorf("the daemon ended (%w):\n%s", err, d.lastLog())
	}
	return ctx.Err()
}

func is(s lab.Seen, pod, container string) bool {
	return strings.HasPrefix(s.Pod, pod+"-") && s.Container == container && s.State == "Running" && s.PID > 0
}

// await asks the runtime until a container is as wanted.
func await(ctx context.Context, l *lab.Lab, ok func(lab.Seen) bool) (lab.Seen, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		seen, err := l.List(ctx)
		if err == nil {
			for _, s := range seen {
				if ok(s) {
					return s, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return lab.Seen{}, fmt.Errorf("the runtime lists %v", seen)
		case <-tick.C:
		}
	}
}
