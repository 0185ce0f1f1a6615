// Package verify proves from /proc which namespaces the containers of a pod share.
//
// Look reads, of each process and of the machine's first one, the namespaces, the root mount and the cgroup. Judge holds them against what
// the pod's manifest asks for; it is pure, and so is Table. Nothing is started, entered or changed. What may not be read, as without
// CAP_SYS_PTRACE, is Unknown and never OK.
package verify
