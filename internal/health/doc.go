// Package health is the node's one picture of its own health.
//
// A reporter declares a Condition beside its code and publishes Looks at it. The Board keeps the newest look of
// each condition and hands out immutable Snapshots. There is one writer a condition and any number of readers.
//
// Nothing fails open: a condition that was never looked at, whose look is no longer valid, or that has no entry
// for a subject is Unknown to every reader, never OK. The board never damps; consumers do (rise and fall of a
// policy, the `for` of an alert), so that what is shown is the truth.
//
// Publish, Snapshot and the expiry of looks take one short lock and never wait for a reader.
package health
