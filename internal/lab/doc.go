// Package lab runs a private containerd: its own folders, socket, CNI network,
// cgroup parent and images, with no registry and no download. The tests that
// need a real runtime and `nodeagent demo` use it; nothing else does.
//
// A lab is known by its name and its folder alone. Everything that it makes
// outside of that folder carries the name or a path below /run/nodeagent-lab/NAME,
// so Cleanup finds and removes it all even when every process that knew of the
// lab was killed. What cannot be shown to belong to the lab is never touched.
//
// Order: New makes folders, bridge and configuration; Start runs containerd
// and imports the pause image; Close removes everything. Stop, Kill, Pause and
// Restart act on containerd only: pods live on, as they do on a node.
//
// All methods may be called from several goroutines. Every method that talks to
// containerd ends with its context.
package lab
