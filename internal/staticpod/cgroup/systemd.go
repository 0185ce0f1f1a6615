package cgroup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// units is what is asked of systemd.
type units interface {
	StartTransientUnitContext(ctx context.Context, name, mode string, properties []systemd.Property, done chan<- string) (int, error)
	SetUnitPropertiesContext(ctx context.Context, name string, runtime bool, properties ...systemd.Property) error
	StopUnitContext(ctx context.Context, name, mode string, done chan<- string) (int, error)
	Close()
}

type connector func(context.Context) (units, error)

const (
	systemdDeadline = 10 * time.Second
	systemdFolder   = "/run/systemd/system" // there where systemd is PID 1 (sd_booted(3)), and nowhere else
)

// dialSystemd connects to the systemd that has made folder.
func dialSystemd(folder string) connector {
	return func(ctx context.Context) (units, error) {
		if !exists(folder) {
			return nil, errors.New("the runtime's cgroup driver is systemd and systemd does not run here (" + folder +
				" is absent): set the runtime's driver to cgroupfs (containerd: SystemdCgroup = false, CRI-O: cgroup_manager = \"cgroupfs\")")
		}
		c, err := systemd.NewWithContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect to systemd: %w", err)
		}
		return c, nil
	}
}

// ensureSlice starts the transient slice, or changes it where it is there. systemd makes the slices around it.
func (t *Tree) ensureSlice(ctx context.Context, slice string, l Limits) error {
	ctx, cancel := context.WithTimeout(ctx, systemdDeadline)
	defer cancel()
	bus, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer bus.Close()
	limits := properties(t.version, l)
	rel, err := slicePath(slice)
	if err != nil {
		return err
	}
	all := append([]systemd.Property{
		systemd.PropDescription("static pod " + slice),
		systemd.PropWants(path.Base(path.Dir(rel))), // the slice around it
		property("DefaultDependencies", false),
		property("CPUAccounting", true),
		property("MemoryAccounting", true),
		property("TasksAccounting", true),
	}, limits...)
	done := make(chan string, 1)
	_, err = bus.StartTransientUnitContext(ctx, slice, "replace", all, done)
	if is(err, "org.freedesktop.systemd1.UnitExists") {
		if err := bus.SetUnitPropertiesContext(ctx, slice, true, limits...); err != nil {
			return fmt.Errorf("set the slice's limits: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("start the slice: %w", err)
	}
	return finished(ctx, "start the slice", done)
}

// stopSlice lets systemd forget the slice. It must have no process.
func (t *Tree) stopSlice(ctx context.Context, slice string) error {
	ctx, cancel := context.WithTimeout(ctx, systemdDeadline)
	defer cancel()
	bus, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer bus.Close()
	done := make(chan string, 1)
	_, err = bus.StopUnitContext(ctx, slice, "replace", done)
	if is(err, "org.freedesktop.systemd1.NoSuchUnit") {
		return nil // made by a runtime without systemd's knowledge, or forgotten: the folders remain and are removed
	}
	if err != nil {
		return fmt.Errorf("stop the slice: %w", err)
	}
	return finished(ctx, "stop the slice", done)
}

func finished(ctx context.Context, what string, done <-chan string) error {
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("%s: systemd's job ended as %q: see `journalctl -b _PID=1`", what, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: systemd does not answer: %w", what, ctx.Err())
	}
}

func is(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == name
}

// properties are the limits in systemd's words (systemd.resource-control(5)); the older ones for v1. All are given, so that one which was taken
// away is. systemd takes a quota in steps of 10 ms a second, and a smaller one would be cut: it is rounded up, as runc does.
func properties(v Version, l Limits) []systemd.Property {
	quota, memory := uint64(math.MaxUint64), uint64(math.MaxUint64)
	if l.CPUQuota > 0 {
		const step = 10_000
		quota = (uint64(l.CPUQuota)*1_000_000/period + step - 1) / step * step
	}
	if l.Memory > 0 {
		memory = uint64(l.Memory)
	}
	out := []systemd.Property{property("CPUQuotaPerSecUSec", quota)}
	if v == V2 {
		return append(out, property("CPUWeight", weight(l.CPUShares)), property("MemoryMax", memory))
	}
	return append(out, property("CPUShares", l.CPUShares), property("MemoryLimit", memory))
}

func property(name string, value any) systemd.Property {
	return systemd.Property{Name: name, Value: dbus.MakeVariant(value)}
}
