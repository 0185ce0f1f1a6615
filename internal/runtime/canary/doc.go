// Package canary starts a container that does nothing through each runtime handler, and times each step: what a pod would find out, before a pod does.
//
// Two paths, never compared with one another: over the CRI ("cri"), with the runtime's own pause image; and, where a kubelet is, which kills
// what it does not know on the CRI, over containerd's own API in a namespace of ours ("native"), which tests shim and OCI runtime alone.
// The program is this very binary, bind-mounted read-only; no image is pulled.
//
// Order: Run sweeps what an earlier one left, then does one handler after the other. Blocking: each step has a deadline. Ownership: what it makes
// carries the label nodeagent/canary, is in the containerd namespace nodeagent-canary, or lies in Config.Dir; nothing else is removed. Two at a
// time in one folder are refused.
package canary
