// Package shim reads from /proc the processes that stand between a CRI runtime and its containers, and decides which of containerd's shims
// belong to nothing and which tasks have lost their process. It asks no runtime and signals nothing.
package shim
