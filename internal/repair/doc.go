// Package repair is the one ledger of what the agent may do to a node beyond its pods and verdicts, and the one hand for systemd units.
//
// Whoever wants to mend something asks the ledger first (Ask) and tells it what came of it (Done). The decision is a pure function of the
// action's bounds, what is remembered, the mode and the time: decide. What is remembered is on the disk before an act begins, so that no crash
// gives a budget back. Each act, and each that would have been one in dry-run, is one event and one line of the log.
//
// Ask never waits for anything but the disk, and only where it permits. Units are reached over D-Bus alone, each call with a deadline.
// Ownership: the ledger is the only writer of RepairsLatched and of the state "repair"; a Restarter is the only caller of the hand.
package repair
