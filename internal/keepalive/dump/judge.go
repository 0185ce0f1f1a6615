package dump

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// Reasons of VRRPTracking.
var (
	reasonNotLoaded   = &health.Reason{Name: "NotLoaded", Fix: "keepalived runs with another configuration than its file: `keepalived -t`, then `systemctl reload keepalived`."}
	reasonNotTracked  = &health.Reason{Name: "NotTracked", Fix: "keepalived switched our script off and takes this node for fit: `journalctl -u keepalived | grep -i script` tells why; `nodeagent vip lint` names the line."}
	reasonNotFollowed = &health.Reason{Name: "NotFollowed", Fix: "The verdict does not reach keepalived's priority: `nodeagent vip lint`, then `systemctl restart keepalived`."}
	reasonNoDump      = &health.Reason{Name: "NoDump", Fix: "keepalived was not built with JSON, or its /tmp is not the agent's: PrivateTmp=no in a drop-in of nodeagent.service, or keepalive.jsonDump: false."}
)

// VRRPTracking has one subject an instance that follows a verdict.
var VRRPTracking = &health.Condition{
	Name:    "VRRPTracking",
	Help:    "keepalived itself says that it follows our verdicts (keepalive.jsonDump).",
	Impact:  health.Critical,
	Max:     32,
	Reasons: []*health.Reason{reasonNotLoaded, reasonNotTracked, reasonNotFollowed, reasonNoDump},
}

// Conditions are what this package publishes.
func Conditions() []*health.Condition { return []*health.Condition{VRRPTracking} }

// Tracked is an instance that keepalived.conf has follow verdicts of ours.
type Tracked struct {
	Name   string
	Script bool      // by a script that asks us; it may follow a file too
	Lowest int       // the lowest of those verdicts
	Since  time.Time // since when it is that
}

// Seen is all that one look saw.
type Seen struct {
	Off     bool
	Running bool // a keepalived runs
	Tracked []Tracked
	Dump    []Instance
	Err     error // there is no dump
}

// steady is how long a verdict must have been the same before the priority is held against it: a script is asked each second, and rise and fall pass.
const steady = 10 * time.Second

func judge(s Seen, now time.Time) []health.Finding {
	one := func(st health.Status, r *health.Reason, message string) []health.Finding {
		return []health.Finding{{Status: st, Reason: r, Message: message}}
	}
	switch {
	case s.Off:
		return one(health.Absent, nil, "keepalive.jsonDump is off: keepalived is not asked")
	case len(s.Tracked) == 0:
		return one(health.Absent, nil, "keepalived.conf has no instance follow a verdict of this agent")
	case !s.Running:
		return one(health.Absent, nil, "no keepalived runs")
	case s.Err != nil:
		return one(health.Unknown, reasonNoDump, s.Err.Error())
	}
	var out []health.Finding
	for _, t := range s.Tracked {
		f := judgeInstance(t, s.Dump, now)
		f.Subject = t.Name
		out = append(out, f)
	}
	return out
}

func judgeInstance(t Tracked, dump []Instance, now time.Time) health.Finding {
	failing := func(r *health.Reason, format string, args ...any) health.Finding {
		return health.Finding{Status: health.Failing, Reason: r, Message: fmt.Sprintf(format, args...)}
	}
	at := slices.IndexFunc(dump, func(i Instance) bool { return i.Name == t.Name })
	if at < 0 {
		return failing(reasonNotLoaded, "keepalived.conf has %s, and the keepalived that runs does not", t.Name)
	}
	i := dump[at]
	asks := func(script string) bool { return strings.Contains(script, "nodeagent") }
	switch {
	case t.Script && !slices.ContainsFunc(i.Scripts, asks):
		return failing(reasonNotTracked, "keepalived.conf has %s track a script that asks the agent, and keepalived does not track it", t.Name)
	// A script's weight may be positive, and then the priority only ever rises.
	case !t.Script && t.Lowest < 0 && now.Sub(t.Since) >= steady && !i.Fault && i.Effective >= i.Base:
		return failing(reasonNotFollowed, "the verdict is %d for %v, and keepalived has the priority %d of %d", t.Lowest, now.Sub(t.Since).Round(time.Second), i.Effective, i.Base)
	}
	return health.Finding{Status: health.OK, Message: fmt.Sprintf("followed: priority %d of %d", i.Effective, i.Base)}
}
