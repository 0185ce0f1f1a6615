// Package vip holds tests that run the whole way of a VIP on nodes that are network namespaces: the daemon's own binary, keepalived, HAProxy and a
// stand-in for the kube-apiserver (root, iproute2, keepalived, haproxy).
package vip
