package keepalive

import (
	"slices"
	"time"

	"nodeagent/internal/health"
)

// Memory is what a policy keeps from one decision to the next. Remember makes the first.
type Memory struct {
	Maintenance Maintenance // set by the caller before each decision

	began   time.Time // when the agent began to look
	settled bool      // the verdict found at the start was replaced

	// What is held, before maintenance.
	number int
	word   Word
	causes []Cause

	waits      bool      // another number than the held one is seen, and its rise or fall runs
	rises      bool      // the direction
	seen       int       // the number that waits
	since      time.Time // since when
	faultSince time.Time // zero: no FAULT since the number last was above Least

	last Verdict
}

// Remember begins with the number of the verdict file that an agent before this one left.
func Remember(number int, now time.Time) Memory {
	m := Memory{began: now, number: min(max(number, Fault), 0), word: WordUnknown}
	switch {
	case m.number == 0:
		m.word = WordOK
	case m.number == Fault:
		m.word = WordFault
	}
	if m.number <= Least {
		m.faultSince = now
	}
	if m.number < 0 {
		m.causes = []Cause{{Message: "the verdict found at the start, until what counts was looked at"}}
	}
	return m
}

// Decide is the whole judgement of a policy: a pure function of what is known. It answers the verdict, the memory for the next decision,
// and when to decide again though nothing happens; the zero time means never.
//
// Absent conditions, muted ones and those that are switched off don't count. Failing, Unknown, never looked at and not on the board lower the
// number by their weight. FAULT is given only for a condition seen Failing with a reason that its policy names. At the start
// the verdict found stays until each condition that counts was looked at once, Settle at most.
func Decide(s health.Snapshot, p Policy, prev Memory, now time.Time) (Verdict, Memory, time.Time) {
	m := prev
	d := decision{now: now}
	raw := weigh(s, p)
	if until := m.began.Add(Settle); !m.settled && raw.waits && now.Before(until) {
		d.at(until)
	} else {
		m.settled = true
		m.hold(raw, p, &d)
	}

	v := Verdict{Policy: p.Name, Number: m.number, Word: m.word, Causes: m.causes, Next: d.then}
	if m.Maintenance.In(now) {
		d.at(m.Maintenance.Until)
		c := Cause{Message: m.Maintenance.String(), Weight: p.Maintenance}
		if v.Number != Fault {
			v.Number, v.Word = max(v.Number+p.Maintenance, Least), WordMaintenance
			v.Causes = append([]Cause{c}, v.Causes...)
		} else {
			v.Causes = append(slices.Clip(v.Causes), c)
		}
		if v.Next != nil && v.Next.Number != Fault {
			v.Next = &Next{Number: max(v.Next.Number+p.Maintenance, Least), At: v.Next.At}
		}
	}
	v.Since = now
	if m.last.Policy == v.Policy && m.last.Number == v.Number && m.last.Word == v.Word {
		v.Since = m.last.Since
	}
	m.last = v
	return v, m, d.next
}

// decision collects when to look again.
type decision struct {
	now, next time.Time
	then      *Next
}

func (d *decision) at(t time.Time) {
	if d.next.IsZero() || t.Before(d.next) {
		d.next = t
	}
}

// becomes is at, for a number that waits.
func (d *decision) becomes(number int, t time.Time) {
	if d.then == nil || t.Before(d.then.At) {
		d.then = &Next{Number: number, At: t}
	}
	d.at(t)
}

// hold lets what is seen become what is held, after its rise or fall.
func (m *Memory) hold(raw weighed, p Policy, d *decision) {
	switch {
	case raw.fault && m.faultSince.IsZero():
		m.take(raw)
		m.number, m.word, m.faultSince = Fault, WordFault, d.now
	case raw.fault:
		m.waits, m.causes = false, raw.causes
	case raw.number == m.number:
		m.take(raw)
	default:
		rises, wait := raw.number > m.number, p.Fall
		if rises {
			wait = p.Rise
		}
		// A better number than the one that waits has not lasted as long; a worse one is as bad for that.
		if !m.waits || m.rises != rises || rises && m.seen != raw.number {
			m.since = d.now
		}
		m.waits, m.rises, m.seen = true, rises, raw.number
		if at := m.since.Add(wait); d.now.Before(at) {
			d.becomes(raw.number, at)
		} else {
			m.take(raw)
		}
	}
	if m.number != Fault || p.FaultFor <= 0 {
		return
	}
	if at := m.faultSince.Add(p.FaultFor); d.now.Before(at) {
		d.becomes(Least, at)
	} else {
		m.number, m.word = Least, WordDegraded
	}
}

func (m *Memory) take(raw weighed) {
	m.number, m.word, m.causes, m.waits = raw.number, raw.word, raw.causes, false
	m.faultSince = time.Time{}
}

// weighed is what a snapshot says, with no memory.
type weighed struct {
	number int
	word   Word
	causes []Cause
	fault  bool
	waits  bool // a condition that counts was not looked at yet
}

func weigh(s health.Snapshot, p Policy) weighed {
	var r weighed
	r.word = WordOK
	counted := 0
	for _, c := range p.Counts {
		e := entryOf(s, c)
		if e.Mute != nil || e.Status == health.Absent {
			continue
		}
		counted++
		if e.Status == health.OK {
			continue
		}
		cause := Cause{Condition: c.Condition, Subject: e.Subject, Status: e.Status, Reason: e.ReasonName(), Message: e.Message, Weight: c.Weight}
		switch {
		case e.Status == health.Failing && slices.Contains(c.Fault, e.ReasonName()):
			r.fault, cause.Weight = true, Fault
		case e.Status == health.Failing:
			r.word = WordDegraded
		case e.Status != health.Failing:
			r.waits = r.waits || e.Reason == health.ReasonNotLooked
			if r.word == WordOK {
				r.word = WordUnknown
			}
		}
		r.number = max(r.number+c.Weight, Least)
		r.causes = append(r.causes, cause)
	}
	if counted == 0 {
		return weighed{number: p.Nothing, word: WordUnknown, causes: []Cause{{Weight: p.Nothing,
			Message: "no condition of this policy counts on this node: each is absent, muted or switched off"}}}
	}
	if r.fault {
		r.word = WordFault
	}
	slices.SortStableFunc(r.causes, func(a, b Cause) int { return a.Weight - b.Weight })
	return r
}

// entryOf is the entry that decides a count. A subject of a condition that is Absent or switched off as a whole is so too.
func entryOf(s health.Snapshot, c Count) health.Entry {
	st, ok := s.Of(c.Condition)
	if !ok {
		return health.Entry{Status: health.Unknown, Reason: health.ReasonNoEntry, Message: "this agent has no condition of that name"}
	}
	worst := st.Worst()
	if c.Subject == "" || worst.Status == health.Absent && len(st.Entries) <= 1 {
		return worst
	}
	return st.Entry(c.Subject)
}
