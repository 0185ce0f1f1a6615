// Package probe runs the probes of running containers and the hooks of their lifecycle, with the semantics of kubelet (kubernetes, pkg/kubelet/prober,
// pkg/kubelet/lifecycle and pkg/probe).
//
// A Prober is told by Sync which containers of a pod run; it keeps one Result a container id and calls Changed when one says something else.
// It never acts on a container. Each probe has a timer, and a goroutine only while it runs; at most 32 that go over the network and 16 execs run
// at once, in the order in which they were due, so that slow execs delay no request.
//
// What a probe says:
//
//   - Readiness starts as failed, liveness as passed, startup as unknown. The others wait for startup. A state changes once its
//     threshold of equal outcomes in a row is reached; a failed liveness and a decided startup are final for their container.
//   - A probe that could not be tried is neither success nor failure: it changes nothing and interrupts no run of equal outcomes. That is an
//     error of the runtime other than its time-out, a port name that the container does not have, an answer that breaks off in its body. What
//     may pass by itself is tried three times at once, as kubelet does.
//   - An exec whose time-out the runtime reports (DeadlineExceeded, or exit code -1 of CRI-O) has failed.
//
// Where it differs from kubelet, on purpose:
//
//   - A runtime that does not answer an exec at all counts as unknown. Kubelet calls it a failure after the runtime's request timeout, and a
//     hung runtime, once back, then kills every container with an exec probe.
//   - The first run comes when initialDelaySeconds have passed, not at the tick after it, and at once when startup has passed. It is
//     spread over the period, 10 s at most, only for containers that are older than the agent.
//   - After a restart of the agent a container is not ready before its probe says so. Newer kubelets keep what they last published; nothing fails
//     open here. A startup probe that has passed before is not run again where the caller remembers it (Target.WasStarted): a
//     container must not be killed for what is asked of it at its start only.
//   - The pod's IP has to be known: without one nothing is asked of the node itself by accident.
//
// Sync, Result and Details may be called from anywhere; they take one short lock and never wait for a probe. The hooks of Deps are
// called without locks, from the probe's goroutine. Messages hold no body, output, query or argument, which may carry secrets; what a
// command wrote stands beside them as Output, for people with the right to read it.
package probe
