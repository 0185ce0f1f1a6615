// Package certs watches the certificates of a node: those of /etc/kubernetes/pki and kubelet's, those that kubeconfigs hold, and those
// that its ports serve.
//
// Files are read at the start, when one of their folders changes, and hourly; a port is asked then too, and two minutes after a change,
// by which time a component that takes a new file by itself has taken it. A port is asked the way its own clients ask it, with a whole
// handshake and a request, so that no component logs it.
//
// Private keys are read to be held against their certificates. Nothing of them is kept, and no message repeats what a file holds.
package certs
