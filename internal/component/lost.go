package component

import "time"

// lost is a process that is gone.
type lost struct {
	pid   int
	flags flags
	at    time.Time // when it was missed
}

// lostFor is how long a process without a manifest is missed after it went: longer than the longest back-off of whatever starts it again. After that
// it counts as taken away.
const lostFor = 10 * time.Minute

// memory of what ran. The zero value remembers nothing.
type memory struct {
	ran  map[string]*process
	lost map[string]*lost
}

// remembers tells of a process that ran at the last look, or until lately: it may be started again any moment.
func (m *memory) remembers(name string) bool { return m.ran[name] != nil || m.lost[name] != nil }

// miss remembers a process, and tells of one that went and has no manifest.
func (m *memory) miss(name string, now found, at time.Time) *lost {
	if m.ran == nil {
		m.ran, m.lost = map[string]*process{}, map[string]*lost{}
	}
	was := m.ran[name]
	if now.process != nil || now.manifest != nil {
		m.ran[name] = now.process
		delete(m.lost, name)
		return nil
	}
	if was != nil {
		m.lost[name] = &lost{pid: was.pid, flags: was.flags, at: at}
		delete(m.ran, name)
	}
	l := m.lost[name]
	if l != nil && at.Sub(l.at) > lostFor {
		delete(m.lost, name)
		return nil
	}
	return l
}
