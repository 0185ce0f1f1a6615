package repair

import (
	"fmt"
	"strings"
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
	Policy       string        // Restart=: no, always, on-failure ...
	Result       string        // of its last run: success, signal, timeout, start-limit-hit ...
	Ended        string        // how its main process last ended: "exit code 1", "signal 9"; empty: it did not since the unit was started
	Restarts     uint32        // NRestarts
	Age          time.Duration // since InactiveExitTimestampMonotonic, when it last left inactive; 0: never in this boot
	QueuedAction bool          // a job waits or runs
	Drags        []string      // active units that systemd would restart or stop with it
}

// Rules of a unit's restart.
type Rules struct {
	MayStart     bool          // it may be started where it failed
	KeepChildren bool          // refused where KillMode is anything but process: pods are its children
	Young        time.Duration // refused where it was started less than so long ago
}

// refuse says why a unit is left alone; empty: it is not. What a person decided is never undone. It is pure.
func refuse(u Unit, r Rules) string {
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
		return u.Name + " is inactive: somebody stopped it, or it ended by itself"
	case u.ActiveState == "failed" && !r.MayStart:
		return u.Name + " has failed, and is not started by the agent"
	case u.ActiveState != "active" && u.ActiveState != "failed":
		return u.Name + " is " + u.ActiveState
	case u.ActiveState == "failed" && (u.Policy == "always" || u.Policy == "on-failure") && u.Result != "start-limit-hit":
		// Only a stop that was asked for keeps systemd from starting it again: one that ended badly leaves it failed.
		return fmt.Sprintf("%s was stopped by hand (it has Restart=%s, and systemd did not start it again)", u.Name, u.Policy)
	case r.KeepChildren && u.KillMode == "none":
		return fmt.Sprintf("a restart would not help: KillMode of %s is none, so the old daemon lives on beside the new one; it has to be process", u.Name)
	case r.KeepChildren && u.KillMode != "process":
		return fmt.Sprintf("a restart would kill every pod: KillMode of %s is %s, and has to be process", u.Name, u.KillMode)
	case len(u.Drags) > 0:
		return fmt.Sprintf("a restart of %s would restart %s too, which requires it", u.Name, strings.Join(u.Drags, ", "))
	case u.Age > 0 && u.Age < r.Young:
		return fmt.Sprintf("%s was started %s ago, and is left alone for %s", u.Name, short(u.Age), short(r.Young))
	}
	return ""
}
