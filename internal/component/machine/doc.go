// Package machine judges what a node's parts need of the machine below them: a clock that is set, inotify instances, room on the file
// systems they write to, kernel settings and modules, no swap where a kubelet forbids it. All else of a machine is node_exporter's.
//
// What other parts of the agent judge is left to them: the file system of images and the cgroups (internal/runtime), and what Flannel
// needs of the kernel (internal/netcheck).
//
// A look reads a few small files and asks each file system once, in a goroutine that may be left behind: statfs on a dead mount never
// comes back. Nothing is written, and no limit is changed.
package machine
