package verify

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"nodeagent/internal/health"
)

// Want is what a pod's manifest asks for.
type Want struct {
	HostNetwork, HostPID, HostIPC, ShareProcessNamespace bool
	UserNamespace                                        bool   // hostUsers: false
	Cgroup                                               string // the pod's own, as its path below a hierarchy; empty: it is not judged
}

// Line is one row of the proof.
type Line struct {
	Namespace string        `json:"namespace"` // or "root fs", "cgroup", "process"
	Expected  string        `json:"expected"`
	Actual    string        `json:"actual"`
	OK        bool          `json:"ok"`            // Status is OK
	Status    health.Status `json:"status"`        // OK, Failing or Unknown
	Why       string        `json:"why,omitempty"` // of what is not OK: who, and what then
}

// how a namespace is to lie in a pod.
type how int

const (
	hosts     how = iota // every member in the machine's
	shared               // one for all, not the machine's
	eachOwn              // one for each, none the machine's
	anyShared            // one for all, the machine's or not
	hostOrOwn            // each in the machine's or one of its own
)

var expected = map[how]string{
	hosts: "the host's", shared: "one for the pod", eachOwn: "each its own", anyShared: "one for the pod, or the host's", hostOrOwn: "the host's, or each its own",
}

// Judge holds a look against what is wanted. First comes whether the processes are the pod's at all; each later row leaves out those that are not.
func Judge(r Report, w Want) []Line {
	out := []Line{processes(r)}
	var members []Process
	for _, m := range r.Members {
		if m.Gone == "" {
			members = append(members, m)
		}
	}
	pick := func(when bool, then, otherwise how) how {
		if when {
			return then
		}
		return otherwise
	}
	ns := func(kind string) func(Process) string { return func(p Process) string { return p.NS[kind] } }
	judge := func(title, kind string, h how, of func(Process) string) {
		out = append(out, place(title, kind, h, r.Host, members, of))
	}
	judge("network", "net", pick(w.HostNetwork, hosts, shared), ns("net"))
	// With the machine's network a pod has its host name too, by containerd; CRI-O gives the pod one of its own.
	judge("uts", "uts", pick(w.HostNetwork, anyShared, shared), ns("uts"))
	judge("ipc", "ipc", pick(w.HostIPC, hosts, shared), ns("ipc"))
	judge("pid", "pid", pick(w.HostPID, hosts, pick(w.ShareProcessNamespace, shared, eachOwn)), ns("pid"))
	judge("mount", "mnt", eachOwn, ns("mnt"))
	judge("root fs", "root", eachOwn, func(p Process) string { return p.Root })
	judge("user", "user", pick(w.UserNamespace, shared, hosts), ns("user"))
	judge("cgroup ns", "cgroup", hostOrOwn, ns("cgroup")) // the machine's on v1 and for a privileged container, else its own
	if w.Cgroup != "" {
		out = append(out, inside(w.Cgroup, members))
	}
	return out
}

// processes tells whether each member is still the process that the runtime named.
func processes(r Report) Line {
	var bad []string
	for _, m := range r.Members {
		if m.Gone != "" {
			bad = append(bad, m.Name+": "+m.Gone)
		}
	}
	alive := len(r.Members) - len(bad)
	l := Line{Namespace: "process", Expected: "all alive", Actual: fmt.Sprintf("%d of %d alive", alive, len(r.Members))}
	switch {
	case len(bad) > 0:
		l.Status, l.Why = health.Failing, strings.Join(bad, "; ")+": look again, the runtime may not have seen it yet"
	case alive == 0:
		l.Status, l.Why = health.Unknown, "the pod has no process that could be looked at"
	default:
		l.Status, l.OK = health.OK, true
	}
	return l
}

// place judges one kind of place, of which each process has one, by who has the same.
func place(title, kind string, h how, host Process, members []Process, of func(Process) string) Line {
	l := Line{Namespace: title, Expected: expected[h]}
	unknown := func(why string) Line {
		l.Status, l.Actual, l.Why = health.Unknown, "unknown", why
		return l
	}
	if len(members) == 0 {
		return unknown("no process of the pod could be looked at")
	}
	if of(host) == "" {
		return unknown("the host's: " + cmp.Or(host.Gone, host.Problems[kind], "it could not be read"))
	}
	var seen []Process
	missing := ""
	for _, m := range members {
		if of(m) != "" {
			seen = append(seen, m)
		} else if missing == "" {
			missing = m.Name + ": " + cmp.Or(m.Problems[kind], "it could not be read")
		}
	}
	if len(seen) == 0 {
		return unknown(missing)
	}
	by := map[string][]string{} // place to the names of those in it
	for _, m := range seen {
		by[of(m)] = append(by[of(m)], m.Name)
	}
	l.Actual, l.Why = actual(by, of(host), seen, of), wrong(h, by, of(host), seen, of)
	switch {
	case l.Why != "": // what is seen to be wrong is, whatever is not seen
		l.Status = health.Failing
	case missing != "":
		return unknown(missing)
	default:
		l.Status, l.OK = health.OK, true
	}
	return l
}

// actual says in few words how the members lie.
func actual(by map[string][]string, host string, members []Process, of func(Process) string) string {
	inHost := len(by[host])
	switch {
	case inHost == len(members):
		return "the host's"
	case inHost > 0:
		return fmt.Sprintf("%d of %d in the host's", inHost, len(members))
	case len(members) == 1:
		return "its own, " + number(of(members[0]))
	case len(by) == 1:
		return "one, " + number(of(members[0]))
	case len(by) == len(members):
		return "each its own"
	}
	return fmt.Sprintf("%d for %d", len(by), len(members))
}

// wrong says who lies where it must not; empty where all is as it should be.
func wrong(h how, by map[string][]string, host string, members []Process, of func(Process) string) string {
	if h != hosts && h != hostOrOwn && h != anyShared && len(by[host]) > 0 {
		return lie(by[host]) + " in the host's"
	}
	switch h {
	case hosts:
		for _, m := range members {
			if of(m) != host {
				return m.Name + " is not in the host's"
			}
		}
	case shared, anyShared:
		first := members[0]
		for _, m := range members {
			if m.Role == Sandbox {
				first = m
			}
		}
		for _, m := range members {
			if of(m) != of(first) {
				return m.Name + " is not in that of " + first.Name
			}
		}
	case eachOwn, hostOrOwn:
		for _, m := range members {
			if names := by[of(m)]; len(names) > 1 && of(m) != host {
				return list(names) + " share one"
			}
		}
	}
	return ""
}

// inside tells whether each member is in the pod's cgroup, in at least one hierarchy: a runtime uses those that it needs.
func inside(cgroup string, members []Process) Line {
	cgroup = path.Clean("/" + cgroup)
	l := Line{Namespace: "cgroup", Expected: "below the pod's", Status: health.OK}
	var out []string
	for _, m := range members {
		if len(m.Cgroups) == 0 {
			l.Status, l.Actual, l.Why = health.Unknown, "unknown", m.Name+": "+m.Problems["cgroup"]
			return l
		}
		if !slices.ContainsFunc(m.Cgroups, func(p string) bool { return p == cgroup || strings.HasPrefix(p, cgroup+"/") }) {
			out = append(out, m.Name)
		}
	}
	l.Actual = fmt.Sprintf("%d of %d below it", len(members)-len(out), len(members))
	switch {
	case len(members) == 0:
		l.Status, l.Actual, l.Why = health.Unknown, "unknown", "no process of the pod could be looked at"
	case len(out) > 0:
		l.Status, l.Why = health.Failing, lie(out)+" outside of "+cgroup+": its limits don't hold there"
	default:
		l.OK = true
	}
	return l
}

func list(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// lie is a list as what a place follows.
func lie(names []string) string {
	if len(names) == 1 {
		return names[0] + " lies"
	}
	return list(names) + " lie"
}

// number is what parts a namespace from others: 4026531840 of net:[4026531840].
func number(ns string) string {
	if _, n, ok := strings.Cut(ns, ":["); ok {
		return strings.TrimSuffix(n, "]")
	}
	return ns
}
