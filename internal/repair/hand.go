package repair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"
)

// Deadlines of calls over D-Bus. A restart is over when systemd's job is.
const (
	askDeadline     = 5 * time.Second
	restartDeadline = 2 * time.Minute // above TimeoutStopSec (90 s by default)
)

// ErrNoSystemd says that systemd does not run this machine.
var ErrNoSystemd = errors.New("systemd does not run this node")

// Booted says whether systemd runs this machine: sd_booted(3).
func Booted() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// Hand reaches systemd over its private socket or the system bus. A connection is made for each use: there are few.
type Hand struct{}

func (Hand) connect(ctx context.Context) (*systemd.Conn, error) {
	if !Booted() {
		return nil, ErrNoSystemd
	}
	c, err := systemd.NewWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask systemd: %w", err)
	}
	return c, nil
}

// OfProcess is the name of the unit that a process belongs to; empty where it is in none.
func (h Hand) OfProcess(ctx context.Context, pid int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	c, err := h.connect(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	name, err := c.GetUnitNameByPID(ctx, uint32(pid))
	if err != nil {
		if strings.Contains(err.Error(), "NoUnitForPID") || strings.Contains(err.Error(), "does not belong to any loaded unit") {
			return "", nil
		}
		return "", fmt.Errorf("ask systemd for the unit of process %d: %w", pid, err)
	}
	if !strings.HasSuffix(name, ".service") { // a scope or a slice is nothing that restarts
		return "", nil
	}
	return name, nil
}

// Unit reads a unit by its name.
func (h Hand) Unit(ctx context.Context, name string) (Unit, error) {
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	c, err := h.connect(ctx)
	if err != nil {
		return Unit{}, err
	}
	defer c.Close()
	p, err := c.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return Unit{}, fmt.Errorf("ask systemd for %s: %w", name, err)
	}
	u := unitOf(name, p, Uptime())
	u.Drags, err = drags(ctx, c, p)
	return u, err
}

// Uptime is CLOCK_MONOTONIC, which systemd's monotonic times are of; 0: not known.
func Uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// bound are the properties that name the units to which systemd hands a restart or a stop on (systemd.unit(5)).
var bound = []string{"RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"}

// drags lists those of them that are active: the others stay as they are.
func drags(ctx context.Context, c *systemd.Conn, p map[string]any) ([]string, error) {
	var out []string
	for _, key := range bound {
		names, _ := p[key].([]string)
		for _, name := range names {
			state, err := c.GetUnitPropertyContext(ctx, name, "ActiveState")
			if err != nil {
				return nil, fmt.Errorf("ask systemd for %s: %w", name, err)
			}
			if s, _ := state.Value.Value().(string); s != "inactive" && s != "failed" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// unitOf reads the properties that count; what is missing stays zero.
func unitOf(name string, p map[string]any, up time.Duration) Unit {
	text := func(key string) string { s, _ := p[key].(string); return s }
	u := Unit{Name: name, LoadState: text("LoadState"), ActiveState: text("ActiveState"), FileState: text("UnitFileState"), KillMode: text("KillMode"),
		Policy: text("Restart"), Result: text("Result")}
	if pid, ok := p["MainPID"].(uint32); ok {
		u.MainPID = int(pid)
	}
	u.Restarts, _ = p["NRestarts"].(uint32)
	u.Ended = ended(p)
	if us, ok := p["InactiveExitTimestampMonotonic"].(uint64); ok && us > 0 {
		u.Age = max(up-time.Duration(us)*time.Microsecond, time.Nanosecond)
	}
	if job, ok := p["Job"].([]any); ok && len(job) > 0 {
		id, _ := job[0].(uint32)
		u.QueuedAction = id != 0
	}
	return u
}

// ended reads how a unit's main process last ended (sigaction(2), SIGCHLD's si_code).
func ended(p map[string]any) string {
	code, _ := p["ExecMainCode"].(int32)
	status, _ := p["ExecMainStatus"].(int32)
	switch code {
	case 1: // CLD_EXITED
		return fmt.Sprintf("exit code %d", status)
	case 2, 3: // CLD_KILLED, CLD_DUMPED
		return fmt.Sprintf("signal %d", status)
	}
	return ""
}

// Restart restarts a unit, or starts it where it failed, and waits for the end of systemd's job.
func (h Hand) Restart(ctx context.Context, u Unit) error {
	ctx, cancel := context.WithTimeout(ctx, restartDeadline)
	defer cancel()
	c, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if u.ActiveState == "failed" { // a start limit that was hit would refuse it
		if err := c.ResetFailedUnitContext(ctx, u.Name); err != nil {
			return fmt.Errorf("reset %s: %w", u.Name, err)
		}
	}
	result := make(chan string, 1)
	// fail: a job that somebody else has queued is not replaced.
	if _, err := c.RestartUnitContext(ctx, u.Name, "fail", result); err != nil {
		return fmt.Errorf("restart %s: %w", u.Name, err)
	}
	select {
	case s := <-result:
		if s != "done" {
			return fmt.Errorf("restart %s: systemd's job ended as %s: see `systemctl status %s`", u.Name, s, u.Name)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("restart %s: %w", u.Name, context.Cause(ctx))
	}
}
