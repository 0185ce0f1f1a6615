package health

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Tuning is what the configuration changes about a condition.
type Tuning struct {
	Disabled bool
	Valid    time.Duration // above 0: replaces the validity of each look
	Max      int           // above 0: replaces the bound of subjects
}

// Change is one entry that took another status or reason.
type Change struct {
	Condition *Condition
	Was, Is   Entry
	Gone      bool // the subject left; Is is zero
	New       bool // the subject came; Was is zero
}

// Board keeps the newest look of each condition.
type Board struct {
	onChange func(Change)

	mu     sync.Mutex
	slots  []*slot
	index  map[string]int
	snap   Snapshot
	mutes  []Mute
	expiry time.Time // the earliest moment at which something here may end; zero: never
	timer  *time.Timer
	change chan struct{} // closed and replaced at each new snapshot
}

type slot struct {
	cond    *Condition
	tuning  Tuning
	born    time.Time // since when it was not looked at
	looked  bool
	records map[string]*record
	order   []string // the subjects, sorted; nil after one came or went
}

type record struct {
	entry Entry
	until time.Time // zero: for ever
}

// NewBoard makes a board on which every condition is Unknown. onChange may be nil; it is called with the board's lock held, in
// the order of changes, and must neither block nor call the board. A condition that is switched off has no changes. Two conditions
// of one name are a programming error and panic.
func NewBoard(onChange func(Change), conditions ...*Condition) *Board {
	b := &Board{onChange: onChange, index: map[string]int{}, change: make(chan struct{})}
	now := time.Now()
	for _, c := range conditions {
		if _, dup := b.index[c.Name]; dup {
			panic(fmt.Sprintf("health: condition %s declared twice", c.Name))
		}
		b.index[c.Name] = len(b.slots)
		b.slots = append(b.slots, &slot{cond: c, born: now, records: map[string]*record{}})
	}
	b.snap = Snapshot{At: now, index: b.index, states: make([]*State, len(b.slots))}
	for i, s := range b.slots {
		b.snap.states[i] = s.state(nil, b.snap.At, 1)
	}
	return b
}

// Publish takes looks, all of them at once: no snapshot shows half of them. A new snapshot comes to be only if an entry changed;
// otherwise the looks' validity is extended. A look at a condition the board does not know is a programming error and panics.
func (b *Board) Publish(looks ...Look) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	dirty := map[int]bool{}
	for _, l := range looks {
		i, ok := b.index[l.Of.Name]
		if !ok {
			panic(fmt.Sprintf("health: look at undeclared condition %s", l.Of.Name))
		}
		if b.slots[i].take(l, now, b.note) && !b.slots[i].tuning.Disabled {
			dirty[i] = true
		}
		if until := b.slots[i].until(l, now); !until.IsZero() {
			b.arm(until, now)
		}
	}
	b.expire(now, dirty)
	b.rebuild(dirty, now)
}

// Tune applies the configuration's tunings, by condition name; conditions not named have none.
func (b *Board) Tune(t map[string]Tuning) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dirty := map[int]bool{}
	for i, s := range b.slots {
		if s.tuning != t[s.cond.Name] {
			s.tuning = t[s.cond.Name]
			dirty[i] = true
		}
	}
	b.rebuild(dirty, time.Now())
}

// SetMutes replaces the mutes in force. Each ends by itself.
func (b *Board) SetMutes(m []Mute) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Equal(m, b.mutes) {
		return
	}
	now := time.Now()
	b.mutes = slices.Clone(m)
	for _, x := range m {
		if x.Until.After(now) {
			b.arm(x.Until, now)
		}
	}
	b.rebuildAll(now)
}

// Snapshot is the picture now. What expired by now is Unknown in it, whether or not a timer ran.
func (b *Board) Snapshot() Snapshot {
	s, _ := b.current()
	return s
}

func (b *Board) current() (Snapshot, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh(time.Now())
	return b.snap, b.change
}

// Watch calls fn with the newest snapshot at once and again after each change of one of the conditions; changes while fn runs
// coalesce into one call. With no conditions named it watches all. It returns when ctx ends, with its error.
func (b *Board) Watch(ctx context.Context, of []*Condition, fn func(Snapshot)) error {
	seen := make([]uint64, len(b.slots))
	for first := true; ; first = false {
		s, changed := b.current()
		fresh := first
		for i, st := range s.states {
			if st.version != seen[i] && (len(of) == 0 || slices.Contains(of, st.Condition)) {
				fresh = true
			}
			seen[i] = st.version
		}
		if fresh {
			fn(s)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// take applies a look and reports whether anything that is shown changed.
func (s *slot) take(l Look, now time.Time, note func(Change)) bool {
	changed := !s.looked && !l.Partial
	if !l.Partial {
		s.looked = true
	}
	until := s.until(l, now)
	findings := worstOf(l, s.cond)
	for _, f := range findings {
		r := s.records[f.Subject]
		if r == nil {
			r = &record{entry: entryOf(f, now)}
			s.records[f.Subject], s.order = r, nil
			changed = true
			s.note(note, Change{Condition: s.cond, Is: r.entry, New: true})
		} else if !same(r.entry, f) {
			was := r.entry
			r.entry = entryOf(f, now)
			if was.Status == f.Status {
				r.entry.Since = was.Since
			}
			changed = true
			if was.Status != f.Status || was.Reason != f.Reason {
				s.note(note, Change{Condition: s.cond, Was: was, Is: r.entry})
			}
		}
		r.until = until
	}
	if l.Partial || len(s.records) == len(findings) {
		return changed
	}
	named := make(map[string]bool, len(findings))
	for _, f := range findings {
		named[f.Subject] = true
	}
	for _, subject := range s.subjects() {
		if !named[subject] {
			was := s.records[subject].entry
			delete(s.records, subject)
			s.order = nil
			changed = true
			s.note(note, Change{Condition: s.cond, Was: was, Gone: true})
		}
	}
	return changed
}

// worstOf is a look's findings made valid, in their order, one a subject: of two the worse one, of two equals the first.
func worstOf(l Look, c *Condition) []Finding {
	out := make([]Finding, 0, len(l.Findings))
	at := make(map[string]int, len(l.Findings))
	for _, f := range l.Findings {
		f = f.normal(c)
		i, twice := at[f.Subject]
		switch {
		case !twice:
			at[f.Subject] = len(out)
			out = append(out, f)
		case f.Status.Worse(out[i].Status):
			out[i] = f
		}
	}
	return out
}

// subjects are the subjects in their order. The slice is not changed later.
func (s *slot) subjects() []string {
	if s.order == nil {
		s.order = slices.Sorted(maps.Keys(s.records))
	}
	return s.order
}

func (s *slot) note(note func(Change), c Change) {
	if !s.tuning.Disabled {
		note(c)
	}
}

// until is the end of a look's validity; zero: never.
func (s *slot) until(l Look, now time.Time) time.Time {
	valid := l.Valid
	if s.tuning.Valid > 0 {
		valid = s.tuning.Valid
	}
	if valid <= 0 {
		return time.Time{}
	}
	return now.Add(valid)
}

func entryOf(f Finding, now time.Time) Entry {
	return Entry{Subject: f.Subject, Status: f.Status, Reason: f.Reason, Message: f.Message, Evidence: slices.Clone(f.Evidence), Since: now}
}

func same(e Entry, f Finding) bool {
	return e.Status == f.Status && e.Reason == f.Reason && e.Message == f.Message && slices.Equal(e.Evidence, f.Evidence)
}

func (b *Board) note(c Change) {
	if b.onChange != nil {
		b.onChange(c)
	}
}

// arm makes sure that the board looks at the clock at t, or before.
func (b *Board) arm(t, now time.Time) {
	if !b.expiry.IsZero() && !t.Before(b.expiry) {
		return
	}
	b.expiry = t
	if b.timer == nil {
		b.timer = time.AfterFunc(t.Sub(now), func() { b.current() })
		return
	}
	b.timer.Reset(t.Sub(now))
}

// refresh lets end what has ended by now.
func (b *Board) refresh(now time.Time) {
	if b.expiry.IsZero() || now.Before(b.expiry) {
		return
	}
	dirty := map[int]bool{}
	b.expire(now, dirty)
	b.rebuild(dirty, now)
}

// expire turns what is no longer valid into Unknown, drops the mutes that ended, and arms the timer for what ends next.
func (b *Board) expire(now time.Time, dirty map[int]bool) {
	if b.expiry.IsZero() || now.Before(b.expiry) {
		return
	}
	b.expiry = time.Time{}
	for i, s := range b.slots {
		for _, subject := range s.subjects() {
			r := s.records[subject]
			switch {
			case r.until.IsZero():
			case now.Before(r.until):
				b.arm(r.until, now)
			default:
				r.until = time.Time{}
				if r.entry.Reason == ReasonExpired {
					continue
				}
				was := r.entry
				r.entry = was.expired(now)
				if !s.tuning.Disabled {
					dirty[i] = true
				}
				s.note(b.note, Change{Condition: s.cond, Was: was, Is: r.entry})
			}
		}
	}
	mutes := slices.DeleteFunc(slices.Clone(b.mutes), func(m Mute) bool { return !now.Before(m.Until) })
	if len(mutes) != len(b.mutes) {
		b.mutes = mutes
		for i := range b.slots {
			dirty[i] = true
		}
	}
	for _, m := range b.mutes {
		b.arm(m.Until, now)
	}
}

// expired is the entry once nobody looked in time. What was last seen stays readable in its message and evidence.
func (e Entry) expired(now time.Time) Entry {
	was := e.Status.String()
	if e.Reason != nil {
		was += " (" + e.Reason.Name + ")"
	}
	if e.Status != Unknown {
		e.Since = now
	}
	e.Status, e.Reason, e.Message = Unknown, ReasonExpired, "not looked at in time; it was "+was
	return e
}

func (b *Board) rebuildAll(now time.Time) {
	dirty := map[int]bool{}
	for i := range b.slots {
		dirty[i] = true
	}
	b.rebuild(dirty, now)
}

// rebuild makes a new snapshot in which the dirty conditions are new and all others are shared with the last one.
func (b *Board) rebuild(dirty map[int]bool, now time.Time) {
	if len(dirty) == 0 {
		return
	}
	states := slices.Clone(b.snap.states)
	for i := range dirty {
		states[i] = b.slots[i].state(b.mutes, now, states[i].version+1)
	}
	b.snap = Snapshot{At: now, states: states, index: b.index}
	close(b.change)
	b.change = make(chan struct{})
}

// state is the immutable picture of one condition.
func (s *slot) state(mutes []Mute, now time.Time, version uint64) *State {
	st := &State{Condition: s.cond, version: version, Disabled: s.tuning.Disabled}
	if st.Disabled {
		return st
	}
	entries := make([]Entry, 0, max(1, len(s.records)))
	for _, subject := range s.subjects() {
		entries = append(entries, s.records[subject].entry)
	}
	if len(entries) == 0 && !s.looked {
		entries = append(entries, Entry{Status: Unknown, Reason: ReasonNotLooked, Message: "not looked at yet", Since: s.born})
	}
	for i := range entries {
		for j := range mutes {
			if mutes[j].Covers(s.cond.Name, entries[i].Subject, now) {
				entries[i].Mute = &mutes[j]
			}
		}
	}
	st.Total = len(entries)
	limit := s.cond.limit()
	if s.tuning.Max > 0 {
		limit = s.tuning.Max
	}
	if len(entries) > limit {
		st.all = entries
		st.More = len(entries) - limit
		entries = worstEntries(entries, limit)
	}
	st.Entries = entries
	return st
}

// worstEntries chooses n of entries that are sorted by subject: what is not muted before what is, and the worst first. They come back
// sorted by subject.
func worstEntries(entries []Entry, n int) []Entry {
	chosen := make([]int, 0, n)
	for _, muted := range []bool{false, true} {
		for _, status := range []Status{Failing, Unknown, OK, Absent} {
			for i := range entries {
				if len(chosen) < n && entries[i].Status == status && (entries[i].Mute != nil) == muted {
					chosen = append(chosen, i)
				}
			}
		}
	}
	slices.Sort(chosen)
	out := make([]Entry, len(chosen))
	for i, at := range chosen {
		out[i] = entries[at]
	}
	return out
}
