package keepalive

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// Seen is all that one look saw: what judge decides from.
type Seen struct {
	Configured Configured
	Processes  []Process
	ProcessErr error
	Addresses  []Address
	AddressErr error
	Told       map[string]Told // by instance
}

// Told is what keepalived said last of an instance.
type Told struct {
	State    State         `json:"state"`
	Priority int           `json:"priority"` // as it adverts now
	Boot     time.Duration `json:"boot"`     // when, since boot
}

// InstanceView is one VRRP instance as it is.
type InstanceView struct {
	Name        string    `json:"name"`
	Interface   string    `json:"interface,omitempty"`
	VRID        int       `json:"vrid,omitempty"`
	Priority    int       `json:"priority,omitempty"`  // of keepalived.conf
	Effective   int       `json:"effective,omitempty"` // as keepalived told last; 0: it did not
	State       State     `json:"state"`
	Since       time.Time `json:"since"` // in this state
	Transitions uint64    `json:"transitions"`
	VIPs        []VIP     `json:"vips,omitempty"`
	Tracked     bool      `json:"tracked"` // keepalived.conf has it track a verdict of ours
}

// VIP is one address of an instance.
type VIP struct {
	Address   string `json:"address"`
	Present   bool   `json:"present"`
	Interface string `json:"interface,omitempty"` // where it is
}

// heldWrong is how long the FIFO and the addresses may contradict each other: keepalived puts a VIP that was removed back in 0.7 s, and adds and
// removes addresses around the moment at which it tells.
const heldWrong = 3 * time.Second

// instanceMemory is what is kept of an instance between looks.
type instanceMemory struct {
	state       State
	since       time.Time
	transitions uint64
	wrong       time.Time // since when FIFO and addresses contradict; zero: they don't
}

// Moved is an instance that took another state.
type Moved struct {
	Instance string
	From, To State
}

type judged struct {
	instances []InstanceView
	memory    map[string]instanceMemory
	looks     []health.Look
	moved     []Moved
	next      time.Time // of a contradiction that becomes one; zero: none
}

// judge decides what a look means. It changes none of its arguments.
func judge(s Seen, memory map[string]instanceMemory, valid time.Duration, now time.Time) judged {
	j := judged{memory: map[string]instanceMemory{}}
	known := slices.Clone(s.Configured.Instances)
	for _, name := range slices.Sorted(maps.Keys(s.Told)) {
		if !slices.ContainsFunc(known, func(i Instance) bool { return i.Name == name }) && s.Told[name].State != StateStopped {
			known = append(known, Instance{Name: name})
		}
	}
	vrrp := health.Look{Of: VRRP, Valid: valid}
	for _, i := range known {
		v, m, f := judgeInstance(s, i, memory[i.Name], now)
		if m.state != v.State {
			if m.state != "" {
				m.transitions++
				j.moved = append(j.moved, Moved{Instance: i.Name, From: m.state, To: v.State})
			}
			m.state, m.since = v.State, now
		}
		v.Since, v.Transitions = m.since, m.transitions
		if !m.wrong.IsZero() && now.Sub(m.wrong) < heldWrong {
			if at := m.wrong.Add(heldWrong); j.next.IsZero() || at.Before(j.next) {
				j.next = at
			}
		}
		j.memory[i.Name] = m
		j.instances = append(j.instances, v)
		vrrp.Findings = append(vrrp.Findings, f)
	}
	if len(known) == 0 {
		vrrp.Findings = []health.Finding{noInstance(s)}
	}
	j.looks = []health.Look{{Of: Keepalived, Valid: valid, Findings: []health.Finding{judgeProcess(s)}}, vrrp}
	return j
}

func noInstance(s Seen) health.Finding {
	if s.Configured.Err != nil {
		return health.Finding{Status: health.Unknown, Reason: reasonUnreadable, Message: s.Configured.Err.Error()}
	}
	return health.Finding{Status: health.Absent, Message: "no VRRP instance in " + s.Configured.Path + ", and keepalived told of none"}
}

func judgeProcess(s Seen) health.Finding {
	switch {
	case s.ProcessErr != nil:
		return health.Finding{Status: health.Unknown, Reason: reasonUnreadable, Message: s.ProcessErr.Error()}
	case len(s.Processes) > 0:
		f := health.Finding{Status: health.OK}
		for _, p := range s.Processes {
			if p.State == 'T' || p.State == 't' {
				f.Status, f.Reason, f.Message = health.Failing, reasonStopped, fmt.Sprintf("keepalived (pid %d) is stopped", p.PID)
			}
			f.Evidence = append(f.Evidence, health.Pair{Key: "pid", Value: fmt.Sprint(p.PID)})
			if p.Unit != "" {
				f.Evidence = append(f.Evidence, health.Pair{Key: "unit", Value: p.Unit})
			}
		}
		if f.Status == health.OK {
			f.Message = fmt.Sprintf("keepalived runs, pid %d", s.Processes[0].PID)
		}
		return f
	case s.Configured.Err != nil:
		return health.Finding{Status: health.Unknown, Reason: reasonUnreadable, Message: s.Configured.Err.Error()}
	case s.Configured.Found:
		return health.Finding{Status: health.Failing, Reason: reasonDown, Message: "keepalived does not run, and " + s.Configured.Path + " has VRRP instances"}
	}
	return health.Finding{Status: health.Absent, Message: "no keepalived process, and no VRRP instance in " + s.Configured.Path}
}

func judgeInstance(s Seen, i Instance, m instanceMemory, now time.Time) (InstanceView, instanceMemory, health.Finding) {
	told := s.Told[i.Name]
	v := InstanceView{Name: i.Name, Interface: i.Interface, VRID: i.VRID, Priority: i.Priority, Effective: told.Priority, Tracked: len(i.Verdicts) > 0}
	var present, missing []string
	for _, vip := range i.VIPs {
		x := VIP{Address: vip.String()}
		if at := slices.IndexFunc(s.Addresses, func(a Address) bool { return a.Addr == vip.Addr() }); at >= 0 {
			x.Present, x.Interface = true, s.Addresses[at].Interface
			present = append(present, vip.Addr().String())
		} else {
			missing = append(missing, vip.Addr().String())
		}
		v.VIPs = append(v.VIPs, x)
	}
	alive := len(s.Processes) > 0
	v.State = stateOf(told.State, alive, len(present) > 0, s.ProcessErr == nil)

	finding := func(st health.Status, r *health.Reason, format string, args ...any) health.Finding {
		return health.Finding{Subject: i.Name, Status: st, Reason: r, Message: fmt.Sprintf(format, args...)}
	}
	if s.ProcessErr != nil || s.AddressErr != nil {
		err := s.ProcessErr
		if err == nil {
			err = s.AddressErr
		}
		m.wrong = time.Time{}
		return v, m, finding(health.Unknown, reasonUnreadable, "%v", err)
	}
	var wrong health.Finding
	switch {
	case !alive && len(present) > 0:
		wrong = finding(health.Failing, reasonVIPAlone, "%s is on this node and no keepalived runs", strings.Join(present, ", "))
	case alive && told.State == StateMaster && len(missing) > 0:
		wrong = finding(health.Failing, reasonNoVIP, "keepalived says MASTER, and %s is not on this node", strings.Join(missing, ", "))
	case alive && (told.State == StateBackup || told.State == StateFault) && len(present) > 0:
		wrong = finding(health.Failing, reasonVIPKept, "keepalived says %s, and %s is on this node", told.State, strings.Join(present, ", "))
	}
	if wrong.Status == health.Failing {
		if m.wrong.IsZero() {
			m.wrong = now
		}
		if now.Sub(m.wrong) >= heldWrong {
			return v, m, wrong
		}
	} else {
		m.wrong = time.Time{}
	}
	switch {
	case v.State == StateFault:
		return v, m, finding(health.Failing, reasonFault, "keepalived says FAULT")
	case v.State == StateUnknown:
		return v, m, finding(health.Unknown, reasonNotTold, "keepalived runs and the VIP is not here; whether it is BACKUP or in FAULT was not told")
	case v.State == StateStopped:
		return v, m, finding(health.OK, nil, "it does not take part, and its VIP is not here: see Keepalived")
	case v.State == StateMaster && len(present) > 0:
		return v, m, finding(health.OK, nil, "MASTER with %s", strings.Join(present, ", "))
	}
	return v, m, finding(health.OK, nil, "%s", v.State)
}

// stateOf puts what keepalived told and what is seen together. Addresses are the truth where nothing was told, and a dead keepalived tells nothing.
func stateOf(told State, alive, present, sure bool) State {
	switch {
	case !alive && sure && present:
		return StateUnknown
	case !alive && sure:
		return StateStopped
	case told == StateMaster || told == StateBackup || told == StateFault || told == StateStopped && !present:
		return told
	case present:
		return StateMaster
	}
	return StateUnknown
}
