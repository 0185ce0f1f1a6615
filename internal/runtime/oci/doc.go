// Package oci looks at the OCI runtimes behind a CRI runtime's handlers: their binaries, their versions, what makes one refuse to run
// containers on this node, and operations of theirs that hang.
//
// Blocking: Versions runs a binary with --version, with a deadline and only when its file changed; everything else reads small files of /proc.
// A mount that hangs under a binary is waited for no longer than the deadline. Ownership: nothing is changed, no process is signalled.
package oci
