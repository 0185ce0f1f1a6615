package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// progressEvery is how often progress is judged when no watchdog asks for it more often.
const progressEvery = 5 * time.Second

// notify tells systemd, if it runs us. Its answer is not waited for, and its absence is no error.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// reloading is one message with both lines: systemd takes RELOADING=1 without the time for nothing (sd_notify(3)).
func reloading() {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) == nil {
		notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, t.Nano()/1000))
	}
}

// feed judges progress and feeds systemd's watchdog from that judgement, never from the mere passing of time.
func (a *agent) feed(ctx context.Context) error {
	every := progressEvery
	dog, err := daemon.SdWatchdogEnabled(false)
	if err == nil && dog > 0 {
		every = min(every, dog/3)
	}
	status := ""
	for {
		now := time.Now()
		look, alive := a.supervisor.look(now)
		a.board.Publish(look)
		if dog > 0 && alive {
			notify(daemon.SdNotifyWatchdog)
		}
		if line := a.statusLine(); line != status {
			status = line
			notify("STATUS=" + line)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reconcile.Wait(now.Add(every), now)):
		}
	}
}

// statusLine is what `systemctl status` shows.
func (a *agent) statusLine() string {
	s := a.board.Snapshot()
	pods, running := a.pods.brief(), 0
	for _, p := range pods {
		if p.Ready {
			running++
		}
	}
	line := fmt.Sprintf("%s; %s; static pods: %d of %d running", s.Worst(), a.config().StaticPods.Mode, running, len(pods))
	for _, st := range s.States() {
		if st.Worst().Status == health.Failing {
			return line + "; failing: " + st.Condition.Name
		}
	}
	return line
}
