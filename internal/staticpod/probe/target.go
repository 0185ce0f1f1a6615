package probe

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Exec runs a command in a container and answers what it wrote (stdout, and stderr after it) and its exit code. An error means that the
// command did not end: the runtime's own, whose gRPC code is DeadlineExceeded where the runtime stopped the command after timeout.
// A timeout of 0 is none. Exec has to return when ctx ends.
type Exec func(ctx context.Context, containerID string, cmd []string, timeout time.Duration) (stdout []byte, exit int, err error)

// Target is one running container.
type Target struct {
	Key         string // of its pod; Sync sets it
	ContainerID string
	Container   string            // name
	PodIP       string            // the node's for a pod in the host's network; empty while unknown
	Spec        *corev1.Container // read only, as long as the container is probed; nil where no manifest tells: never ready
	Started     time.Time         // by the runtime; zero while unknown
	Stopping    bool              // its stop was begun: it is not ready, and is not probed
	WasStarted  bool              // its startup probe has passed before, in an earlier life of the agent
}

// Role is what a probe is for.
type Role uint8

// The roles, in the order in which they are shown.
const (
	Startup Role = iota
	Readiness
	Liveness
	roles = iota
)

func (r Role) String() string { return [...]string{"startup", "readiness", "liveness"}[r] }

// of is the container's probe in this role; nil for none.
func (r Role) of(c *corev1.Container) *corev1.Probe {
	switch {
	case c == nil:
		return nil
	case r == Startup:
		return c.StartupProbe
	case r == Readiness:
		return c.ReadinessProbe
	}
	return c.LivenessProbe
}

// Outcome of one run of a probe, and the state that outcomes in a row make.
type Outcome uint8

// The outcomes. String gives the values of the label result of kubelet's prober_probe_total.
const (
	Unknown Outcome = iota
	Success
	Failure
)

func (o Outcome) String() string { return [...]string{"unknown", "successful", "failed"}[o] }

// attempt is what one try of a handler found.
type attempt struct {
	outcome Outcome
	message string // why it is no success; safe to show anywhere
	output  string // the beginning of what a failed command wrote; may hold secrets
	warning string // of a success
	again   bool   // of Unknown: another try may do better
}
