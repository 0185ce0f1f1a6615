// Package reconcile holds the two loops every module runs in: Loop for one key and Keyed for many.
//
// A wake is a nudge that carries no data; do reads all the truth of its key again. Wakes that arrive while do runs coalesce
// into one more run. do answers with the moment at which it wants to run again without a wake; an error adds a back-off of its
// own, which a wake cuts short only as a re-read, since actions keep their not-before in the state that do reads.
//
// A do that panics is recovered, reported as an error, and run again after the back-off: one hostile input must not end a task.
package reconcile
