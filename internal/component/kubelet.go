package component

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
)

// Kubelet is what the agent knows of this node's kubelet.
type Kubelet struct {
	Here     bool   // it is installed and set up
	Looked   string // how it was looked for, where it is not here
	Address  string // host:port of its healthz; empty: switched off
	PID      int    // 0: none runs
	Program  string // its process: kubelet, k3s, kubelite ...
	Started  time.Time
	NodeName string
}

// Unit is what systemd says of a unit.
type Unit struct {
	Name        string // kubelet.service
	ActiveState string // active, inactive, failed, activating ...
	FileState   string // enabled, disabled, masked ...
	Restarts    uint32 // automatic ones since it was started by hand
	Ended       string // how its main process last ended: "exit code 1", "signal 9"; empty: it did not
}

// kubeletSeen is all that one look saw.
type kubeletSeen struct {
	kubelet Kubelet
	healthz answer
	unit    Unit   // Name is empty where systemd was not asked or knows none
	noUnit  string // why it was not
	lately  int    // restarts within restartWindow
	words   string // its last error, where it does not run; empty: not known
	version string // of the program on disk; empty: not known
}

// A unit that systemd starts again this often is failing, whatever it answers in between.
const (
	restartWindow = 20 * time.Minute
	restartsMany  = 5
)

// How often systemd is asked: of a kubelet that is well, and of one that is not.
const (
	unitEvery     = 30 * time.Second
	unitEveryFail = 5 * time.Second
)

// kubeletLooker keeps what must be known from look to look. It is of one loop alone.
type kubeletLooker struct {
	unit     Unit
	noUnit   string
	asked    time.Time
	words    string // its last error
	heard    Unit   // as it was when words was read
	restarts []restarts
	version  programVersion
}

type restarts struct {
	at time.Time
	n  uint32
}

func (l *kubeletLooker) look(ctx context.Context, deps Deps, cfg Config, now time.Time) kubeletSeen {
	var s kubeletSeen
	if deps.Kubelet == nil {
		return s
	}
	if s.kubelet = deps.Kubelet(); !s.kubelet.Here {
		*l = kubeletLooker{}
		return s
	}
	if away, is := elsewhere(s.kubelet.Address); is {
		s.healthz = away
	} else if s.kubelet.Address != "" {
		server := newPlainSession(s.kubelet.Address, cfg.Timeout)
		s.healthz = server.get(ctx, "/healthz")
		server.close()
	}
	if now, err := procs.ReadStat(cfg.Proc, s.kubelet.PID); s.kubelet.PID > 0 && (errors.Is(err, fs.ErrNotExist) || err == nil && now.State == 'Z') {
		s.kubelet.PID, s.kubelet.Started = 0, time.Time{} // it ended since it was looked for
	}
	well := s.healthz.outcome == answered && s.healthz.status == http.StatusOK
	l.ask(ctx, deps, s.kubelet, well, now)
	s.unit, s.noUnit, s.lately, s.words = l.unit, l.noUnit, l.lately(now), l.words
	s.version = l.version.of(ctx, now)
	return s
}

// ask asks systemd for kubelet's unit.
func (l *kubeletLooker) ask(ctx context.Context, deps Deps, k Kubelet, well bool, now time.Time) {
	pause := unitEveryFail
	if well {
		pause = unitEvery
	}
	if deps.Unit == nil || !l.asked.IsZero() && now.Sub(l.asked) < pause {
		return
	}
	l.asked, l.noUnit = now, ""
	u, err := deps.Unit(ctx, k.PID, "kubelet.service")
	if err != nil {
		l.unit, l.noUnit = Unit{}, err.Error()
		return
	}
	if l.unit.Name != u.Name || len(l.restarts) > 0 && l.restarts[len(l.restarts)-1].n > u.Restarts {
		l.restarts = nil // another unit, or it was started by hand
	}
	l.unit = u
	l.restarts = append(l.restarts, restarts{now, u.Restarts})
	for len(l.restarts) > 1 && now.Sub(l.restarts[0].at) > restartWindow {
		l.restarts = l.restarts[1:]
	}
	l.hear(ctx, deps, k)
}

// hear reads what a kubelet that does not run wrote last: the journal once for each of its ends, and again where that failed.
func (l *kubeletLooker) hear(ctx context.Context, deps Deps, k Kubelet) {
	switch {
	case k.PID > 0 || deps.LastError == nil:
		l.words, l.heard = "", Unit{}
	case l.heard != l.unit:
		words, err := deps.LastError(ctx, l.unit.Name)
		if l.words = words; err == nil {
			l.heard = l.unit
		}
	}
}

func (l *kubeletLooker) lately(now time.Time) int {
	if len(l.restarts) == 0 || now.Sub(l.restarts[len(l.restarts)-1].at) > restartWindow {
		return 0
	}
	return int(l.restarts[len(l.restarts)-1].n - l.restarts[0].n)
}

// judgeKubelet decides what a look means.
func judgeKubelet(s kubeletSeen) health.Finding {
	if !s.kubelet.Here {
		return health.Finding{Status: health.Absent, Message: s.kubelet.Looked}
	}
	f := judgeKubeletAnswer(s)
	add := func(key, value string) {
		if value != "" {
			f.Evidence = append(f.Evidence, health.Pair{Key: key, Value: value})
		}
	}
	add("address", s.kubelet.Address)
	if s.kubelet.PID > 0 {
		add("pid", fmt.Sprint(s.kubelet.PID))
	}
	if !s.kubelet.Started.IsZero() {
		add("runs since", s.kubelet.Started.UTC().Format(time.RFC3339))
	}
	add("node name", s.kubelet.NodeName)
	add("version on disk", s.version)
	if s.unit.Name != "" {
		add("unit", fmt.Sprintf("%s %s, %s, %d restarts", s.unit.Name, s.unit.ActiveState, s.unit.FileState, s.unit.Restarts))
	}
	add("systemd", s.noUnit)
	return f
}

// story is what became of the unit of a kubelet that does not run.
func (s kubeletSeen) story() string {
	text := s.unit.Name + " is " + s.unit.ActiveState
	if s.unit.Ended != "" {
		text += ", its process ended with " + s.unit.Ended
	}
	if s.unit.Restarts > 0 {
		text += fmt.Sprintf(", %d automatic restarts so far", s.unit.Restarts)
	}
	if s.words != "" {
		text += "; its last error: " + s.words
	}
	return text
}

func judgeKubeletAnswer(s kubeletSeen) health.Finding {
	k := s.kubelet
	who := "kubelet"
	if k.PID > 0 {
		who = fmt.Sprintf("kubelet (%s, pid %d)", k.Program, k.PID)
	}
	if k.PID == 0 && s.healthz.outcome != answered {
		switch {
		case s.unit.FileState == "masked" || s.unit.ActiveState == "inactive":
			return failing(kubeletStopped, "%s is %s (%s): somebody stopped it", s.unit.Name, s.unit.ActiveState, s.unit.FileState)
		case s.unit.Name != "":
			return failing(kubeletDown, "no kubelet runs: %s", s.story())
		}
		return failing(kubeletDown, "no kubelet runs")
	}
	if k.Address == "" {
		return health.Finding{Status: health.Unknown, Reason: unread, Message: who + " runs, and its healthz is switched off (healthzPort: 0)"}
	}
	switch a := s.healthz; a.outcome {
	case answered:
	case refused:
		return failing(kubeletNotListening, "%s runs, and nothing listens on %s", who, k.Address)
	case hung:
		return failing(kubeletHung, "%s at %s: %s", who, k.Address, a.detail)
	case unreachable:
		return failing(kubeletUnreachable, "%s at %s: %s", who, k.Address, a.detail)
	default:
		return failing(kubeletOdd, "%s at %s: %s", who, k.Address, a.detail)
	}
	checks := failedChecks(s.healthz.body)
	switch {
	case s.healthz.status != http.StatusOK && checks != "":
		return failing(kubeletCheck, "/healthz: %s", checks)
	case s.healthz.status != http.StatusOK:
		return failing(kubeletOdd, "%s answers /healthz with HTTP status %d", k.Address, s.healthz.status)
	case s.lately >= restartsMany:
		return failing(kubeletRestarts, "%s was started again %d times within %v", s.unit.Name, s.lately, restartWindow)
	}
	text := "well at " + k.Address
	if s.version != "" {
		text = s.version + ", " + text
	}
	if k.NodeName != "" {
		text += ", as node " + k.NodeName
	}
	return health.Finding{Status: health.OK, Message: text}
}
