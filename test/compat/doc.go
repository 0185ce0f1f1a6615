// Package compat holds the reader of static-pod manifests against Kubernetes' own code: the same decoding, defaults and
// validation that a kubelet's file source uses (k8s.io/kubernetes pkg/kubelet/config, common.go), over a corpus of manifests and
// over mutations of them.
//
// It is a module of its own, because k8s.io/kubernetes brings dozens of modules that the agent has no use for. `make compat` runs it;
// CI does not. Nothing imports it.
package compat
