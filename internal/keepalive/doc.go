// Package keepalive turns the node's health into what keepalived needs, and tells the truth about VRRP.
//
// Verdicts: a policy names the conditions that count; Decide, a pure function, makes a verdict of each snapshot; the verdicts task writes its
// number into a file that keepalived's track_file reads, and its line is answered on a socket to nodeagent-check. From Board.Publish to the
// rename of the file there is no lock that a reader holds, no disk sync and no log. The files outlive the agent on purpose: one that is
// gone reads as fit. A beat file, stamped every second by the task that writes the verdicts, tells how old they are.
//
// VRRP: the state of each instance is what keepalived told on its notify FIFO, held against the addresses of this node (netlink) and the process
// (/proc, a pidfd). Addresses are the truth where the two contradict each other for longer than keepalived needs.
//
// Order: New, then Run of each of Tasks. Blocking: Decide and judge don't; no method waits for keepalived; StartMaintenance asks the other
// agents within Config.PeerTimeout. Ownership: the verdicts task is the only writer of VIPVerdict and of the verdict folder, the VRRP
// task of Keepalived and VRRP. Nothing here signals keepalived, adds or removes an address, or changes its configuration.
package keepalive
