package staticpod

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/podlogs"
)

// memoryVersion is the version of Memory on disk. A pod whose memory is of another version is run without it: restart counts begin
// anew, everything else is read from the runtime.
const memoryVersion = 1

func (m Memory) clone() Memory {
	m.Containers = maps.Clone(m.Containers)
	if m.Containers == nil {
		m.Containers = map[string]ContainerMemory{}
	}
	m.StopBy = maps.Clone(m.StopBy)
	if m.StopBy == nil {
		m.StopBy = map[string]StopMemory{}
	}
	m.EndBy = maps.Clone(m.EndBy)
	if m.EndBy == nil {
		m.EndBy = map[string]time.Time{}
	}
	m.Made = slices.Clone(m.Made)
	if m.Hold != nil {
		hold := *m.Hold
		m.Hold = &hold
	}
	return m
}

// forgetStops drops the stops of containers and sandboxes that are no more. m must be a clone.
func (m Memory) forgetStops(r *reading) {
	maps.DeleteFunc(m.StopBy, func(id string, _ StopMemory) bool {
		return !slices.ContainsFunc(r.containers, func(c Container) bool { return c.ID == id })
	})
	maps.DeleteFunc(m.EndBy, func(id string, _ time.Time) bool {
		return !slices.ContainsFunc(r.sandboxes, func(s Sandbox) bool { return s.ID == id })
	})
}

// held reports whether a person wants the pod stopped now. A clock that was set back holds no pod for longer than was asked.
func (m Memory) held(now time.Time) bool {
	return m.Hold != nil && now.Before(m.Hold.Until) && m.Hold.Until.Sub(now) <= m.Hold.Until.Sub(m.Hold.Since)
}

// expires tells whether activeDeadlineSeconds is over, and if not, when it will be; zero for never.
func (m Memory) expires(s *corev1.PodSpec, now time.Time) (expired bool, at time.Time) {
	if s.ActiveDeadlineSeconds == nil || m.StartedAt.IsZero() {
		return false, time.Time{}
	}
	at = m.StartedAt.Add(time.Duration(*s.ActiveDeadlineSeconds) * time.Second)
	if !at.After(now) {
		return true, time.Time{}
	}
	return false, at
}

// initDone reports whether an init container ended well in a sandbox.
func (cm ContainerMemory) initDone(sandbox string) bool {
	return cm.Done && cm.LastExit == 0 && cm.LastBox == sandbox
}

func (m Memory) equal(o Memory) bool { return reflect.DeepEqual(m.clone(), o.clone()) }

// forContent is the memory for another content of the pod: attempts go on, so that names in the runtime never clash; counts and
// back-off begin anew.
func (m Memory) forContent(hash, uid, boot string) Memory {
	if m.Hash == hash && m.UID == uid {
		return m
	}
	n := m.clone()
	n.Hash, n.UID, n.Boot, n.StartedAt, n.Initialized = hash, uid, boot, time.Time{}, ""
	for name, c := range n.Containers {
		n.Containers[name] = ContainerMemory{Next: c.Next, LastID: c.LastID, Recorded: c.Recorded}
	}
	return n
}

// restore takes attempts and restart counts of a pod of which no memory is left from the logs that it left, as kubelet does: a new attempt
// must not write into an old one's log.
func (p *Pods) restore(m *Memory, want *folder.Wanted, id identity) error {
	removed, err := p.logs.collector.Records() // a pod that was removed begins anew; its old logs stay beside
	if err != nil {
		return err
	}
	anew := slices.ContainsFunc(removed, func(r podlogs.Removed) bool { return r.UID == id.UID })
	for c := range allContainers(&want.Pod.Spec.Spec) {
		n, found, err := podlogs.Restored(filepath.Join(logDir(p.d.Config().LogsDir, id), c.Name))
		if err != nil {
			return err
		}
		if _, known := m.Containers[c.Name]; found && !known {
			cm := ContainerMemory{Next: n + 1, Recorded: n + 1}
			if !anew {
				cm.Restarts = int(n) + 1
			}
			m.Containers[c.Name] = cm
		}
	}
	return nil
}
