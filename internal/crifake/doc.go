// Package crifake is a CRI runtime with real state and no containers, for tests only; nothing in the daemon imports it.
//
// It keeps sandboxes, containers and images as a runtime does, answers in the words and codes of the runtime that its
// [Personality] names, and fails on demand: hung, slow, refused, dead, or failing after it did the work. Tests reach it over
// a real unix socket ([Server.Serve]) or in process ([Server.Client]). The in-process way has no sockets, copies each message
// and uses the time package alone, so it works in a testing/synctest bubble; the server must then be made inside the bubble.
//
// A call blocks as long as a runtime's would and no longer than its context. All methods are safe for concurrent use. The
// server starts goroutines only for timers that fire and, with Options.RealProcesses, to wait for each child. Processes are
// killed by [Server.Close]; Serve does so at the end of the test.
//
// Processes have fake pids above the kernel's highest (4194304), so that opening a pidfd or reading /proc fails with ESRCH or
// ENOENT and never hits a stranger; [Server.OnExit] stands for a pidfd there.
package crifake
