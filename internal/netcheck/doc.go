// Package netcheck reads the node's network, judges it against what Flannel promises, and probes the overlay.
//
// Order: New, then Run of each of Tasks. The look task reads everything (read, the only I/O on the node's state), judges it (judge, a pure
// function) and publishes; it is the one writer of this package's conditions and views but for FlannelReachable and Peers, which the probe
// task writes. The watch tasks only wake: events of rtnetlink, nftables and inotify carry no data here, every look reads all the truth
// again, and a resync looks without an event.
//
// Blocking: a look takes at most a few ReadTimeouts; probes run beside it and never delay it. Hooks must not block.
//
// Ownership: nothing here changes anything on the node. Sockets are opened in the network namespace of Config.Netns; a goroutine that
// visits a namespace gives its thread back in the one it came from, or ends the thread.
package netcheck
