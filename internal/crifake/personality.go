package crifake

import (
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type eventMode int

const (
	eventsUnimplemented eventMode = iota
	eventsShared                  // one channel: each event goes to one subscriber
	eventsBroadcast
	eventsOptional // broadcast if Options.PodEvents, else the stream ends at once without an error
)

// Delays are what a call costs on a quiet machine with host network, p50.
type Delays struct {
	RunPodSandbox, CreateContainer, StartContainer time.Duration
	StopPodSandbox, RemovePodSandbox               time.Duration
	// Exit is the time from the end of a process until the runtime reports it.
	Exit time.Duration
}

// Personality is one runtime's way to differ from the others. Use one of [Containerd16], [Containerd17], [Containerd2], [CRIO].
type Personality struct {
	// Name is a test's name for it: containerd-1.6, containerd-1.7, containerd-2, cri-o.
	Name string
	// RuntimeName and RuntimeVersion are what Version answers.
	RuntimeName, RuntimeVersion string
	// Delays are used with Options.RealisticDelays. Measured on two cores with runc.
	Delays Delays

	events        eventMode
	runtimeConfig bool
	crio          bool
	deprecations  bool // Status has ContainerdHasNoDeprecationWarnings
	imageID       bool // messages carry image_id
}

var containerdDelays = Delays{
	RunPodSandbox: 89 * time.Millisecond, CreateContainer: 7 * time.Millisecond, StartContainer: 67 * time.Millisecond,
	StopPodSandbox: 60 * time.Millisecond, RemovePodSandbox: 35 * time.Millisecond, Exit: 3 * time.Millisecond,
}

// Containerd16 is containerd 1.6: no CRI events, no RuntimeConfig.
func Containerd16() Personality {
	return Personality{
		Name: "containerd-1.6", RuntimeName: "containerd", RuntimeVersion: "1.6.20", Delays: containerdDelays,
		events: eventsUnimplemented,
	}
}

// Containerd17 is containerd 1.7: events from one channel that subscribers share, where one that left still takes one event.
func Containerd17() Personality {
	return Personality{
		Name: "containerd-1.7", RuntimeName: "containerd", RuntimeVersion: "1.7.24", Delays: containerdDelays,
		events: eventsShared, imageID: true,
	}
}

// Containerd2 is containerd 2.x: events for every subscriber, RuntimeConfig, a condition for deprecations.
func Containerd2() Personality {
	return Personality{
		Name: "containerd-2", RuntimeName: "containerd", RuntimeVersion: "2.4.2", Delays: containerdDelays,
		events: eventsBroadcast, runtimeConfig: true, deprecations: true, imageID: true,
	}
}

// CRIO is CRI-O 1.34. It creates the OCI container in CreateContainer, wants ImageSpec.UserSpecifiedImage there, reports
// the true exit code of what ended while it was down, goes on with a stop whose caller gave up, and sends events only with
// Options.PodEvents.
func CRIO() Personality {
	return Personality{
		Name: "cri-o", RuntimeName: "cri-o", RuntimeVersion: "1.34.0",
		Delays: Delays{
			RunPodSandbox: 9 * time.Millisecond, CreateContainer: 79 * time.Millisecond, StartContainer: 22 * time.Millisecond,
			StopPodSandbox: 100 * time.Millisecond, RemovePodSandbox: 54 * time.Millisecond, Exit: 17 * time.Millisecond,
		},
		events: eventsOptional, runtimeConfig: true, crio: true, imageID: true,
	}
}

// Personalities are all of them, for tests that run over each.
func Personalities() []Personality {
	return []Personality{Containerd16(), Containerd17(), Containerd2(), CRIO()}
}

// emits tells whether the runtime sends events of this kind: CRI-O sends no DELETED, and for a sandbox only STARTED and STOPPED.
func (p Personality) emits(t cri.ContainerEventType, ofSandbox bool) bool {
	switch {
	case !p.crio:
		return true
	case t == cri.ContainerEventType_CONTAINER_DELETED_EVENT:
		return false
	}
	return !ofSandbox || t != cri.ContainerEventType_CONTAINER_CREATED_EVENT
}

// lost is what the runtime says of a process that ended while the runtime was down, found again at up.
// containerd forgets how it ended (cri/server restart.go); CRI-O reads conmon's exit file.
func (p Personality) lost(e exit, up time.Time) exit {
	if p.crio {
		return e
	}
	return exit{code: 255, reason: "Unknown", at: up}
}

// sandboxStopGrace is what StopPodSandbox gives the containers: containerd kills, CRI-O waits (server/sandbox_stop_linux.go).
func (p Personality) sandboxStopGrace() time.Duration {
	if p.crio {
		return 10 * time.Second
	}
	return 0
}
