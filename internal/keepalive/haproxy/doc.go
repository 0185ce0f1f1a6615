// Package haproxy looks at the load balancer of this node: whether HAProxy runs, listens, answers, and has a live server behind it.
//
// Order: New, then Run of each of Tasks. One look finds the process, reads the configuration that its command line names, asks the kernel
// (sock_diag) who listens on its ports, and asks HAProxy itself over its runtime socket. A look connects to that socket and to nothing
// else: ports are never connected to, so no TLS server behind them logs a broken handshake. The look task is the only writer of this
// package's conditions and of View; the exit task only wakes it.
//
// Blocking: a look takes at most a little more than Config.Timeout for the socket, and reads of /proc beside it.
//
// Down is said only of a balancer that is positively dead: its configuration or an earlier look says that it belongs here, every process was
// read, none is it, and nobody listens on its ports; or it runs and none of its ports is listened on. What can't be read is Unknown.
//
// Ownership: nothing here changes anything on the node. A hung process is looked at, never signalled.
package haproxy
