package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// The names of systemd-logind (org.freedesktop.login1(5)).
const (
	loginName    = "org.freedesktop.login1"
	loginPath    = "/org/freedesktop/login1"
	loginManager = loginName + ".Manager"
)

// busDeadline ends a call over the system bus.
const busDeadline = 5 * time.Second

// bus is logind over the system bus. Its methods but Watch are called while Watch runs.
type bus struct {
	conn *dbus.Conn
}

func (b *bus) Watch(ctx context.Context, ready func(), fn func(down bool)) error {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if errors.Is(err, os.ErrNotExist) {
		return errNoLogind
	}
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer conn.Close()
	if err := b.there(ctx, conn); err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, 8)
	conn.Signal(signals)
	if err := conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(loginManager), dbus.WithMatchMember("PrepareForShutdown")); err != nil {
		return fmt.Errorf("subscribe to logind: %w", err)
	}
	if err := conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, loginName)); err != nil {
		return fmt.Errorf("subscribe to logind: %w", err)
	}
	b.conn = conn
	ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s, ok := <-signals:
			switch {
			case !ok:
				return errors.New("the connection to the system bus is lost")
			case s.Name == "org.freedesktop.DBus.NameOwnerChanged":
				return errors.New("logind was restarted, which drops its locks")
			case len(s.Body) == 1:
				if down, ok := s.Body[0].(bool); ok {
					fn(down)
				}
			}
		}
	}
}

// there reports whether logind has its name on the bus or is started for it.
func (b *bus) there(ctx context.Context, conn *dbus.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, busDeadline)
	defer cancel()
	var has bool
	if err := conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, loginName).Store(&has); err != nil {
		return fmt.Errorf("look for logind: %w", err)
	}
	if !has {
		return errNoLogind
	}
	return nil
}

func (b *bus) Inhibit(ctx context.Context) (io.Closer, error) {
	ctx, cancel := context.WithTimeout(ctx, busDeadline)
	defer cancel()
	var fd dbus.UnixFD
	err := b.conn.Object(loginName, loginPath).CallWithContext(ctx, loginManager+".Inhibit", 0, "shutdown", "nodeagent", "static pods are stopped in order", "delay").Store(&fd)
	if err != nil {
		return nil, fmt.Errorf("delay a shutdown: %w", err)
	}
	return os.NewFile(uintptr(fd), "inhibitor lock"), nil
}

func (b *bus) MaxDelay(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, busDeadline)
	defer cancel()
	var v dbus.Variant
	err := b.conn.Object(loginName, loginPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, loginManager, "InhibitDelayMaxUSec").Store(&v)
	if err != nil {
		return 0, fmt.Errorf("ask logind for its delay: %w", err)
	}
	usec, ok := v.Value().(uint64)
	if !ok {
		return 0, fmt.Errorf("ask logind for its delay: it answered %v", v)
	}
	return time.Duration(usec) * time.Microsecond, nil
}
