// Package wire listens to VRRP where it happens: on the interfaces of our instances. It sees what keepalived itself can't tell: a second
// master, somebody else with our VRID, a peer with other addresses, another holder of our VIP.
//
// An AF_PACKET socket with a BPF filter sees adverts even where netfilter drops them before keepalived. Where a switch drops multicast it
// sees none, so that while this node holds a VIP it also asks for it (an ARP probe or a neighbour solicitation, each VIP once in
// Config.ProbeInterval): another holder answers.
//
// Order: New, then Run of the task. Its loop opens and closes listeners as instances and interfaces come and go, judges, publishes, writes View
// and sends probes; it is the only writer of all these. A reader an interface parses packets and puts them into the tracker, which is
// bounded and pure, and wakes the loop at most ten times a second. A reader that panics or fails is counted and opened again.
//
// Packets are not trusted: what is malformed is counted and changes nothing else; VRRP has no real authentication, so every finding
// says what was heard, not who it was. 802.1Q frames arrive on their VLAN's own interface; on the parent they are not parsed.
//
// Without CAP_NET_RAW the conditions are Absent with a line that says so: whether the agent listens is decided by the installed profile.
//
// Ownership: nothing on the node is changed. Probes carry no sender address, so that they enter no cache.
package wire
