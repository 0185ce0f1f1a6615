package companion

import (
	"maps"
	"time"
)

const (
	memoryName = "companion"
	// memoryVersion of what Store keeps. A reader of another version starts with an empty memory: the times in it are then counted
	// from the files and the kubelet's start again, and nothing else is lost.
	memoryVersion = 1
)

// Memory is what judge must remember from one look to the next, by namespace/name.
type Memory struct {
	Pods map[string]PodMemory `json:"pods"`
}

// PodMemory is the memory of one pod.
type PodMemory struct {
	File  string        `json:"file,omitempty"`
	Grace time.Duration `json:"grace,omitempty"` // the pod's termination grace period when it last had a manifest

	// The content and the kubelet's uid that were seen to belong together.
	Hash  string `json:"hash,omitempty"`
	Print string `json:"print,omitempty"` // of the decoded pod: what a kubelet sees of the content
	UID   string `json:"uid,omitempty"`

	Down    time.Time `json:"down,omitzero"`    // wanted and nothing runs since
	Changed time.Time `json:"changed,omitzero"` // runs an older content since
	Orphan  time.Time `json:"orphan,omitzero"`  // runs with no manifest since
	Seen    bool      `json:"seen,omitempty"`   // it ran at some time

	Phase      string                     `json:"phase,omitempty"`
	PhaseSince time.Time                  `json:"phaseSince,omitzero"`
	Containers map[string]ContainerMemory `json:"containers,omitempty"`
}

// ContainerMemory is the memory of one container of the pod's present uid.
type ContainerMemory struct {
	Base  int `json:"base"`  // the attempt at which kubelet's back-off began anew
	Exits int `json:"exits"` // attempts whose end is on the timeline: all below this number
}

func (m PodMemory) clone() PodMemory {
	m.Containers = maps.Clone(m.Containers)
	if m.Containers == nil {
		m.Containers = map[string]ContainerMemory{}
	}
	return m
}
