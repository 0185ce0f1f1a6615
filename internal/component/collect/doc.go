// Package collect writes one file for support: what a node knows of itself, with everything down too, bounded in size and time, and with
// secrets taken out.
//
// Secrets are taken out twice. Those that can be known, because they stand in files of this node (Secrets and environments of manifests,
// kubeconfigs, auth_pass, the metrics' users), are replaced wherever they occur, in logs too. What only looks like one, by the name before
// it or by its form, is replaced as well.
//
// Parts are read by functions and by commands such as journalctl. The journal's own library needs cgo, and the agent is one static binary;
// what a command prints is what a person would have pasted. Each has a deadline, and one that hangs in the kernel is left behind.
package collect
