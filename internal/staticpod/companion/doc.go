// Package companion watches what a kubelet made of each static-pod manifest. It starts and stops nothing, ever: it asks the
// runtime with list and status calls alone.
//
// One pass reads everything (read.go, manifests.go: the kubelet's facts, its manifest folder, the runtime's sandboxes and containers),
// judges it (judge.go, a pure function of what was read, the memory and the time) and publishes: the conditions StaticPods and
// Manifests, the view of the pods, and events for what changed. A pass runs at each wake (the folder's inotify, the runtime's
// events), when a judgement falls due (the end of a back-off or a grace period), and at the resync.
//
// Only sandboxes whose annotation kubernetes.io/config.source names a static source count; pods of the API server are not looked
// at. What could not be asked is Unknown with the reason, never OK.
//
// One goroutine runs the passes; the view and the board may be read from anywhere. A pass takes at most three runtime probe
// timeouts. A folder that hangs in the kernel costs one waiting goroutine and is reported as unreadable.
package companion
