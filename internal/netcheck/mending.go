package netcheck

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
)

// pictureVersion is of the state "network". A reader of another version, or of another boot, begins with no picture.
const pictureVersion = 1

// kept is what outlives the agent within a boot.
type kept struct {
	Boot   string         `json:"boot"`
	At     time.Time      `json:"at"` // of the last good look
	Memory Memory         `json:"memory"`
	Passed []netip.Prefix `json:"passed,omitempty"` // peers of which a probe has passed in this boot
}

// keepEvery is how often an unchanged picture is written down again, so that its age is known after a restart.
const keepEvery = 5 * time.Minute

// mender remembers the last good picture and puts back what is missing of it. It belongs to the look loop alone.
type mender struct {
	deps    Deps
	passed  map[netip.Prefix]bool
	seen    time.Time // of the last good look
	written kept
	notes   map[findingKey]string // beside findings that fail, by the last pass
	since   map[string]time.Time  // when a mend was first wanted, by kind and target
	wake    func()
	log     *zap.Logger
}

// takeUp reads what an earlier agent of this boot kept.
func (m *mender) takeUp() Memory {
	m.passed = map[netip.Prefix]bool{}
	if m.deps.Store == nil {
		return Memory{}
	}
	var k kept
	if found, err := m.deps.Store.Load("network", pictureVersion, &k); err != nil {
		m.log.Warn("the last good picture of the network is not known", zap.Error(err))
		return Memory{}
	} else if !found || k.Boot != m.deps.Boot {
		return Memory{}
	}
	for _, p := range k.Passed {
		m.passed[p] = true
	}
	m.seen, m.written = k.At, k
	return k.Memory
}

// learn takes what this look leaves, says which peers left, and writes it down where it is news.
func (m *mender) learn(was, is Memory, good bool, probed []netip.Prefix, now time.Time) {
	for _, p := range probed {
		m.passed[p] = true
	}
	if !good {
		return
	}
	m.seen = now
	for _, b := range was.Peers {
		if !slices.ContainsFunc(is.Peers, func(x Peer) bool { return x.Subnet == b.Subnet }) {
			delete(m.passed, b.Subnet) // who comes back is another one until a probe says so
			m.record(event.Event{Kind: KindNetwork, Subject: b.Subnet.String(), Reason: "PeerLeft", Message: fmt.Sprintf("peer %s left: all of its entries are gone and the device is well", b.Subnet)})
		}
	}
	k := kept{Boot: m.deps.Boot, At: now, Memory: is}
	k.Memory.InCsum = 0
	for p := range m.passed {
		k.Passed = append(k.Passed, p)
	}
	slices.SortFunc(k.Passed, netip.Prefix.Compare)
	same := k
	same.At = m.written.At
	if m.deps.Store == nil || reflect.DeepEqual(same, m.written) && now.Sub(m.written.At) < keepEvery {
		return
	}
	if err := m.deps.Store.Save("network", pictureVersion, k); err != nil {
		m.log.Warn("the picture of the network is not kept", zap.Error(err))
		return
	}
	m.written = k
}

// KindNetwork is the kind of this package's events in the timeline.
const KindNetwork = "network"

func (m *mender) record(e event.Event) {
	if m.deps.Record != nil {
		m.deps.Record(e)
	}
}

// findingKey names a finding.
type findingKey struct {
	condition *health.Condition
	subject   string
}

// recall puts the notes of the last pass beside the findings that still fail, so that these don't change from look to look.
func (m *mender) recall(shown verdicts) {
	for k, note := range m.notes {
		noteBeside(shown, k, note)
	}
}

// peerHold is how long a peer's entries must be incomplete before they are put back: flanneld takes a peer that left away in three steps, and on
// a busy node a look may fall between two of them.
const peerHold = time.Second

// held says until when a mend that is wanted waits; the zero time: no longer.
func (m *mender) held(x mend, was map[string]time.Time, now time.Time) time.Time {
	key := x.kind + " " + x.target
	first, known := was[key]
	if !known {
		first = now
	}
	m.since[key] = first
	if due := first.Add(peerHold); x.kind == MendPeer && now.Before(due) {
		return due
	}
	return time.Time{}
}

// mend does what is permitted, and notes beside each finding what it would do and why it does not. It says whether a note is another one, and
// when to look again for a mend that waits; zero: none does.
func (m *mender) mend(cfg Config, n *Network, p picture, shown verdicts) (changed bool, again time.Time) {
	if m.deps.Permit == nil {
		return false, again
	}
	was, wanted := m.notes, m.since
	m.notes, m.since = map[findingKey]string{}, map[string]time.Time{}
	defer func() { changed = !maps.Equal(was, m.notes) }()
	f := mendFacts{young: cfg.young, passed: m.passed, seen: m.seen, now: time.Now()}
	list := mends(n, p, shown, f)
	if len(list) == 0 {
		return
	}
	lookAt := func(at time.Time) {
		if at.After(f.now) && (again.IsZero() || at.Before(again)) {
			again = at
		}
	}
	if f.flanneld = flanneldSince(cfg.Proc, cfg.Netns); !f.flanneld.IsZero() {
		list = mends(n, p, shown, f)
		lookAt(f.flanneld.Add(f.young)) // it is no longer left to itself then
	}
	for _, x := range list {
		note, due := x.refused, m.held(x, wanted, f.now)
		switch {
		case note == "" && !due.IsZero():
			lookAt(due)
			continue
		case note != "":
			if m.deps.Refuse != nil {
				m.deps.Refuse(x.kind, x.target, x.why, note)
			}
		case len(x.steps) == 0:
			note = "nothing is missing"
		default:
			ok, because, from := m.deps.Permit(x.kind, x.target, x.why)
			if !ok {
				lookAt(from)
				note = because + ": " + x.commands()
				break
			}
			err := carryOut(cfg, x.steps)
			if m.deps.Done != nil {
				m.deps.Done(x.kind, x.target, x.why, err)
			}
			note = "done: " + x.commands()
			if err != nil {
				note = "failed: " + err.Error()
			} else {
				m.wake() // the kernel's own events do so too; a sysctl has none
			}
		}
		k := findingKey{x.condition, x.subject}
		m.notes[k] = note
		noteBeside(shown, k, note)
	}
	return false, again
}

// noteKey of a finding's evidence says what is mended, or why it is not.
const noteKey = "mend"

func noteBeside(shown verdicts, k findingKey, note string) {
	for i, f := range shown[k.condition] {
		if f.Subject != k.subject || f.Status != health.Failing {
			continue
		}
		evidence := slices.DeleteFunc(slices.Clone(f.Evidence), func(p health.Pair) bool { return p.Key == noteKey })
		shown[k.condition] = slices.Clone(shown[k.condition])
		shown[k.condition][i].Evidence = append(evidence, health.Pair{Key: noteKey, Value: note})
		return
	}
}
