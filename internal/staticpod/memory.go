package staticpod

import (
	"maps"
	"reflect"
	"slices"
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
	m.Made = slices.Clone(m.Made)
	return m
}

// forgetStops drops the stops of containers that are no more. m must be a clone.
func (m Memory) forgetStops(have []Container) {
	maps.DeleteFunc(m.StopBy, func(id string, _ StopMemory) bool {
		return !slices.ContainsFunc(have, func(c Container) bool { return c.ID == id })
	})
}

func (m Memory) equal(o Memory) bool { return reflect.DeepEqual(m.clone(), o.clone()) }

// forContent is the memory for another content of the pod: attempts go on, so that names in the runtime never clash; counts and
// back-off begin anew.
func (m Memory) forContent(hash, uid, boot string) Memory {
	if m.Hash == hash && m.UID == uid {
		return m
	}
	n := m.clone()
	n.Hash, n.UID, n.Boot = hash, uid, boot
	for name, c := range n.Containers {
		n.Containers[name] = ContainerMemory{Next: c.Next, LastID: c.LastID, Recorded: c.Recorded}
	}
	return n
}
