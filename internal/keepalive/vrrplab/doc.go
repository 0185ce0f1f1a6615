// Package vrrplab runs real keepalived on nodes that are network namespaces around one bridge, for tests (root, iproute2, keepalived).
//
// Everything a lab makes bears its name and is gone when the test ends, however it ends: namespaces, links, processes, files. What an aborted run
// of the same name left is removed first. The bridge is in a namespace too, so that nothing of the host's network is touched.
package vrrplab
