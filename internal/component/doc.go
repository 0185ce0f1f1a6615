// Package component judges the processes of a Kubernetes node: what there is, whether it answers, and what it says of itself.
//
// Nothing is configured: a component is found by its static pod manifest and by its process, and where it listens is read from its flags. A
// component that this node does not have is Absent, with how it was looked for.
//
// Each component is asked at its own address, never through a load balancer, by a loop of its own: one that hangs delays no other. A TLS handshake
// is always finished and the certificate judged afterwards, since a handshake that a client breaks off is a line in the server's log.
// Credentials are sent to nobody whose certificate was not verified first. Deciding is pure (judge*.go); what looks is beside it.
package component
