package doctor

import (
	"slices"
	"time"

	"nodeagent/internal/view"
)

// Report is what is missing on a node.
type Report struct {
	Node     string    `json:"node"`
	Time     time.Time `json:"time"`
	Daemon   bool      `json:"daemon"`             // false: looked up without one
	Status   string    `json:"status"`             // ok, failing, unknown
	First    string    `json:"first,omitempty"`    // name of the step that is missing first
	Deadlock *Deadlock `json:"deadlock,omitempty"` // parts that wait for each other
	Steps    []Step    `json:"steps"`              // in the order in which a node comes up
}

// Step is a part of the node.
type Step struct {
	Name   string  `json:"name"`
	Status string  `json:"status"`          // ok, failing, unknown, absent
	After  bool    `json:"after,omitempty"` // it is not well, and comes after the first: it may well be a consequence
	Causes []Cause `json:"causes,omitempty"`
	Muted  int     `json:"muted,omitempty"` // causes that a person has muted, which count for nothing
}

// Cause is a subject of a condition that is not well.
type Cause struct {
	Condition string    `json:"condition"`
	Subject   string    `json:"subject,omitempty"`
	Status    string    `json:"status"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message,omitempty"`
	Fix       string    `json:"fix,omitempty"`
	Since     time.Time `json:"since"`
	Blocks    bool      `json:"blocks,omitempty"` // what comes later can't work without it
}

// Statuses, as in the API.
const (
	ok      = "ok"
	failing = "failing"
	unknown = "unknown"
	absent  = "absent"
)

// Examine makes the report. It depends on the status alone.
func Examine(s view.Status) Report {
	r := Report{Node: s.Node, Time: s.Time, Daemon: s.Daemon}
	seen := gather(s)
	for _, name := range order {
		r.Steps = append(r.Steps, stepOf(name, seen[name]))
	}
	r.Deadlock = deadlock(s)
	first := firstOf(r.Steps)
	if d := r.Deadlock; d != nil && d.step != "" {
		first = d.step
		i := slices.Index(order, d.step)
		r.Steps[i].Status = failing
		r.Steps[i].Causes = append([]Cause{{Condition: "Deadlock", Status: failing, Reason: d.Issue, Message: d.Name, Blocks: true}}, r.Steps[i].Causes...)
	}
	r.Status = ok
	passed := false
	for i := range r.Steps {
		x := &r.Steps[i]
		switch {
		case x.Name == first:
			r.First, passed = first, true
		case passed && (x.Status == failing || x.Status == unknown):
			x.After = true
		}
		if x.Status == failing || x.Status == unknown && r.Status != failing {
			r.Status = x.Status
		}
	}
	return r
}

// firstOf is the first step with a cause that blocks; with none the first that fails, then the first that is unknown. So a clock that
// nobody sets does not hide a runtime that is dead.
func firstOf(steps []Step) string {
	for _, matches := range []func(Cause) bool{
		func(c Cause) bool { return c.Status == failing && c.Blocks },
		func(c Cause) bool { return c.Status == failing },
		func(c Cause) bool { return c.Status == unknown },
	} {
		for _, s := range steps {
			for _, c := range s.Causes {
				if matches(c) {
					return s.Name
				}
			}
		}
	}
	return ""
}

// found is what there is for one step.
type found struct {
	causes []Cause
	well   bool // something of it is ok
	muted  int
}

func gather(s view.Status) map[string]*found {
	out := map[string]*found{}
	for _, name := range order {
		out[name] = &found{}
	}
	down := fails(s, "APIServer") || fails(s, "Etcd") || fails(s, "Kubelet")
	wrongTime := says(s, "Certificates", "NotYetValid")
	for _, c := range s.Conditions {
		if c.Disabled || c.Impact == "notice" {
			continue
		}
		for _, x := range c.Subjects {
			f := out[StepOf(c.Name, x.Name)]
			switch {
			case x.Status == ok:
				f.well = true
			case x.Status == absent, x.Reason == "NoHandshake" && down: // its component's own condition says so
			case x.Muted != nil:
				f.muted++
			default:
				f.causes = append(f.causes, Cause{
					Condition: c.Name, Subject: x.Name, Status: x.Status, Reason: x.Reason, Message: x.Message, Fix: x.Fix, Since: x.Since,
					Blocks: c.Impact == "critical" || blocks(c.Name, x.Reason) || c.Name == "Clock" && wrongTime,
				})
			}
		}
	}
	return out
}

func stepOf(name string, f *found) Step {
	s := Step{Name: name, Status: absent, Causes: sorted(f.causes), Muted: f.muted}
	switch {
	case len(s.Causes) > 0:
		s.Status = s.Causes[0].Status
	case f.well:
		s.Status = ok
	}
	return s
}
