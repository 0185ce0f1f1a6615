package repair

import (
	"fmt"
	"time"
)

// Unit is what systemd says of a unit (org.freedesktop.systemd1(5)).
type Unit struct {
	Name         string // containerd.service
	LoadState    string // loaded, not-found, masked ...
	ActiveState  string // active, inactive, failed, activating, deactivating
	FileState    string // enabled, disabled, static, masked ...
	KillMode     string // process, control-group, mixed, none
	MainPID      int
	Restarts     uint32    // NRestarts
	Started      time.Time // InactiveExitTimestamp: when it last left inactive; zero: never in this boot
	QueuedAction bool      // a job waits or runs
}

// Rules of a unit's restart.
type Rules struct {
	MayStart     bool          // it may be started where it failed
	KeepChildren bool          // refused where KillMode would kill more than the daemon: pods are its children
	Young        time.Duration // refused where it was started less than so long ago
}

// refuse says why a unit is left alone; empty: it is not. What a person decided is never undone. It is pure.
func refuse(u Unit, r Rules, now time.Time) string {
	switch {
	case u.Name == "" || u.LoadState == "not-found":
		return "systemd knows no such unit"
	case u.LoadState == "masked" || u.FileState == "masked" || u.FileState == "masked-runtime":
		return u.Name + " is masked: somebody decided that it must not run"
	case u.LoadState != "loaded":
		return fmt.Sprintf("%s is %s: `systemctl status %s` tells what is wrong with its file", u.Name, u.LoadState, u.Name)
	case u.FileState == "disabled":
		return u.Name + " is disabled: somebody decided that it must not run by itself"
	case u.QueuedAction || u.ActiveState == "activating" || u.ActiveState == "deactivating" || u.ActiveState == "reloading":
		return "systemd is at work on " + u.Name + " already"
	case u.ActiveState == "inactive":
		return u.Name + " was stopped by hand"
	case u.ActiveState == "failed" && !r.MayStart:
		return u.Name + " has failed, and is not started by the agent"
	case u.ActiveState != "active" && u.ActiveState != "failed":
		return u.Name + " is " + u.ActiveState
	case r.KeepChildren && u.KillMode != "process" && u.KillMode != "none":
		return fmt.Sprintf("a restart would kill every pod: KillMode of %s is %s, and has to be process", u.Name, u.KillMode)
	case !u.Started.IsZero() && now.Sub(u.Started) < r.Young:
		return fmt.Sprintf("%s was started %s ago, and is left alone for %s", u.Name, short(now.Sub(u.Started)), short(r.Young))
	}
	return ""
}
