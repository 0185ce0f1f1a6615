// Package doctor says which of a node's parts is missing first, and what to do about it. A node comes up in an order (the clock, the disks,
// the runtime, kubelet, etcd, the apiserver, the VIP, the pods' network), and what comes later mostly fails because of what comes earlier.
//
// It is a function of a status, the daemon's or one that was looked up without a daemon. It reads nothing itself.
package doctor
