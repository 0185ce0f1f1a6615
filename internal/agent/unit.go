package agent

import (
	"context"
	"fmt"
	"os"

	"nodeagent/internal/component"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
)

// askUnit is what systemd says of the unit of a process, or of the named one where there is no process. It is empty where there is no such unit.
func askUnit(ctx context.Context, pid int, name string) (repair.Unit, error) {
	var hand repair.Hand
	if pid > 1 {
		found, err := hand.OfProcess(ctx, pid)
		if err != nil {
			return repair.Unit{}, err
		}
		// A process that ended meanwhile is in no unit any more: the one that it was in is asked of.
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); found != "" || err == nil {
			name = found
		}
	}
	if name == "" {
		return repair.Unit{}, nil
	}
	u, err := hand.Unit(ctx, name)
	return known(u), err
}

// known is nothing where the unit was removed: systemd answers for any name, with its defaults.
func known(u repair.Unit) repair.Unit {
	if u.LoadState == "not-found" {
		return repair.Unit{}
	}
	return u
}

func runtimeUnit(ctx context.Context, pid int, name string) (runtime.Unit, error) {
	u, err := askUnit(ctx, pid, name)
	return runtime.Unit{Name: u.Name, KillMode: u.KillMode, Restarts: u.Restarts}, err
}

func componentUnit(ctx context.Context, pid int, name string) (component.Unit, error) {
	u, err := askUnit(ctx, pid, name)
	return component.Unit{Name: u.Name, ActiveState: u.ActiveState, FileState: u.FileState, Restarts: u.Restarts, Ended: u.Ended}, err
}
