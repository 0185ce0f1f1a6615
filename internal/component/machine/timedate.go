package machine

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// timedatedTime is for systemd-timedated to be started and to answer.
const timedatedTime = 5 * time.Second

// timedatedEvery is from question to question: it ends by itself after half a minute, and a clock that nobody sets drifts slowly.
const timedatedEvery = 5 * time.Minute

// timedate is what systemd-timedated said last.
type timedate struct {
	at  time.Time
	set bool
}

func (t *timedate) get(ctx context.Context) (bool, error) {
	if !t.at.IsZero() && time.Since(t.at) < timedatedEvery {
		return t.set, nil
	}
	set, err := askTimedated(ctx)
	if err == nil {
		t.at, t.set = time.Now(), set
	}
	return set, err
}

// askTimedated reports whether the clock counts as synchronised, which systemd-timedated reads with adjtimex: the kernel's greatest error is below
// 16 s. D-Bus starts it for the question, and it ends by itself.
func askTimedated(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timedatedTime)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("ask systemd-timedated: %w", err)
	}
	defer conn.Close()
	var v dbus.Variant
	err = conn.Object("org.freedesktop.timedate1", "/org/freedesktop/timedate1").
		CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.timedate1", "NTPSynchronized").Store(&v)
	if err != nil {
		return false, fmt.Errorf("ask systemd-timedated: %w", err)
	}
	set, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("ask systemd-timedated: NTPSynchronized is %s", v)
	}
	return set, nil
}
