package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// Reasons of NodeShutdown.
var (
	shutdownShort = &health.Reason{Name: "DelayTooShort", Fix: "Raise InhibitDelayMaxSec in /etc/systemd/logind.conf.d/nodeagent.conf and `systemctl restart systemd-logind`; pods that need longer are killed with the node."}
	shutdownNone  = &health.Reason{Name: "NotHeldUp", Fix: "See `journalctl -u systemd-logind`; until then a shutdown kills the pods without their grace."}
)

// nodeShutdown is whether a shutdown of the node waits for the pods.
var nodeShutdown = &health.Condition{
	Name:    "NodeShutdown",
	Help:    "A shutdown of the node waits until the pods are stopped in order.",
	Impact:  health.Notice,
	Reasons: []*health.Reason{shutdownShort, shutdownNone},
}

// errNoLogind says that nobody on this node holds a shutdown up.
var errNoLogind = errors.New("logind does not run")

// logind is what the agent needs of systemd-logind. *bus is the one; tests have their own.
type logind interface {
	// Watch connects and calls fn for each PrepareForShutdown until ctx or the connection ends.
	Watch(ctx context.Context, ready func(), fn func(down bool)) error
	// Inhibit delays a shutdown until the lock is closed.
	Inhibit(ctx context.Context) (io.Closer, error)
	// MaxDelay is how long logind waits for a delay lock.
	MaxDelay(ctx context.Context) (time.Duration, error)
}

// shutdown holds a shutdown of the node up until what the agent has to do before it is done.
type shutdown struct {
	bus     logind
	board   *health.Board
	record  func(event.Event)
	log     *zap.Logger
	need    func() time.Duration            // how long the pods may take, by their graces
	prepare []func(ctx context.Context)     // in this order, before the pods are stopped
	stop    func(ctx context.Context) error // stops the pods
	stay    func()                          // takes that back
	lock    io.Closer
	longest time.Duration
}

// shutdownLook is between two looks at how long logind waits.
const shutdownLook = time.Minute

// releaseEarly is left of logind's delay for what comes after the pods.
const releaseEarly = 500 * time.Millisecond

var logindBackoff = reconcile.Backoff{Initial: time.Second, Factor: 2, Max: time.Minute, Jitter: 0.2}

func (s *shutdown) run(ctx context.Context) error {
	failures := 0
	for {
		err := s.watch(ctx)
		if ctx.Err() != nil {
			s.release()
			return ctx.Err()
		}
		s.release()
		if errors.Is(err, errNoLogind) {
			s.publish(health.Finding{Status: health.Absent, Message: "no systemd-logind answers on the system bus: a shutdown does not wait for the pods"})
		} else {
			s.publish(health.Finding{Status: health.Failing, Reason: shutdownNone, Message: err.Error()})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(logindBackoff.Jittered(failures)):
		}
		failures++
	}
}

// watch holds the lock and serves logind's signals until the connection is lost.
func (s *shutdown) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan bool, 4)
	watching, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.bus.Watch(ctx, func() { close(watching) }, func(down bool) {
			select {
			case signals <- down:
			case <-ctx.Done():
			}
		})
	}()
	select {
	case err := <-ended:
		return err
	case <-watching: // no signal is missed from here on
	}
	if err := s.hold(ctx); err != nil {
		return err
	}
	again := time.NewTicker(shutdownLook)
	defer again.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-again.C:
			if err := s.look(ctx); err != nil {
				return err
			}
		case down := <-signals:
			if down {
				s.down(ctx)
				continue
			}
			s.stay()
			s.record(event.Event{Kind: event.KindAgent, Reason: "ShutdownCancelled", Message: "the node does not go down after all; pods are started again"})
			if err := s.hold(ctx); err != nil {
				return err
			}
		}
	}
}

// hold takes the lock and says how far it reaches.
func (s *shutdown) hold(ctx context.Context) error {
	s.release()
	lock, err := s.bus.Inhibit(ctx)
	if err != nil {
		return err
	}
	s.lock = lock
	return s.look(ctx)
}

func (s *shutdown) look(ctx context.Context) error {
	delay, err := s.bus.MaxDelay(ctx)
	if err != nil {
		return err
	}
	s.longest = delay
	if need := s.need(); need > delay-releaseEarly {
		s.publish(health.Finding{Status: health.Failing, Reason: shutdownShort, Message: fmt.Sprintf("logind waits %s and the pods may take %s: set InhibitDelayMaxSec=%d", delay, need, int((need + 5*time.Second).Seconds()))})
		return nil
	}
	s.publish(health.Finding{Status: health.OK, Message: fmt.Sprintf("logind waits up to %s", delay)})
	return nil
}

// down does what is to be done before the node goes down, within the time that logind gives, and lets it go.
func (s *shutdown) down(ctx context.Context) {
	began := time.Now()
	s.record(event.Event{Kind: event.KindAgent, Reason: "NodeShutdown", Message: "the node goes down; pods are stopped in order"})
	ctx, cancel := context.WithTimeout(ctx, max(s.longest-releaseEarly, time.Second))
	defer cancel()
	for _, f := range s.prepare {
		f(ctx)
	}
	message := "pods are stopped"
	if err := s.stop(ctx); err != nil {
		message = err.Error()
		s.log.Warn("node shutdown", zap.Error(err))
	}
	s.record(event.Event{Kind: event.KindAgent, Reason: "NodeShutdown", Message: fmt.Sprintf("%s, after %s", message, time.Since(began).Round(time.Millisecond))})
	s.release()
}

func (s *shutdown) release() {
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

func (s *shutdown) publish(f health.Finding) {
	s.board.Publish(health.Look{Of: nodeShutdown, Valid: 3 * shutdownLook, Findings: []health.Finding{f}})
}
