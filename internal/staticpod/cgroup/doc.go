// Package cgroup makes, limits, measures and removes the cgroups of pods, on cgroup v1, hybrid and v2, with the cgroupfs and the systemd driver.
//
// A Tree is the machine's cgroup file system. Ensure makes a pod's cgroup before its sandbox and writes what a kubelet would; Remove takes it
// away after the last container: rmdir alone, deepest first, and never with a process in it. Both touch the pod's own cgroup and make the levels
// above where they are absent; what is there already above a pod is changed in one way only: on v2 the controllers that the pod needs are
// enabled in cgroup.subtree_control of the levels above it, and none is ever disabled.
//
// Sampler reads the usage of many pods in a loop. OOM knows of each container how many of its processes the kernel killed for memory, also
// after its cgroup is gone. Both are tasks; their readers (Usages, Killed) never wait for their loops.
package cgroup
