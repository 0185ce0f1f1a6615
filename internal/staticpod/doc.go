// Package staticpod runs the pods of a manifest folder on a CRI runtime where no kubelet is.
//
// The key is one pod, namespace/name. A pass over a pod reads all of its truth (the wanted manifest, its sandboxes and containers,
// running ops, memory), decides by plan, a pure function, and starts actions as ops that run beside the loop, at most one a Slot. An
// op records its outcome and wakes its pod; no pass waits for a CRI mutation, so one pod's long stop never delays another's restart.
//
// A pod's lifecycle:
//
//	pulling -> sandbox -> container/x created, started -> running -> exited -> (back-off) -> next attempt
//	   ^                                                                                        |
//	   +-- changed: new images pulled, old pod stopped and removed, then again from the sandbox <+
//
// Ours is what carries the label nodeagent/instance with the id of the state folder; nothing else is ever touched. What is about
// to be done is written to the pod's memory first, so that a crash at any step neither loses a restart nor makes a second copy.
package staticpod
