package verify

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"nodeagent/internal/health"
)

var update = flag.Bool("update", false, "write the golden files anew")

const cgroup = "/kubepods/burstable/podx"

var host = Process{Member: Member{Name: "host", PID: 1}, NS: map[string]string{"net": "net:[1]", "uts": "uts:[1]", "ipc": "ipc:[1]", "pid": "pid:[1]", "mnt": "mnt:[1]",
	"user": "user:[1]", "cgroup": "cgroup:[1]"}, Root: "8:1 /", Cgroups: []string{"/init.scope"}, Start: 1}

// process n of a sound pod: 0 is the sandbox.
func process(n int) Process {
	p := Process{Member: Member{Name: fmt.Sprintf("c%d", n), PID: 10 + n, Role: Container, ID: fmt.Sprintf("id%d", n)}, Start: 5, Problems: map[string]string{},
		Root: fmt.Sprintf("0:%d /", 50+n), Cgroups: []string{fmt.Sprintf("%s/id%d", cgroup, n), "/"}}
	if n == 0 {
		p.Name, p.Role = "sandbox", Sandbox
	}
	own := fmt.Sprint(":[", 100+n, "]")
	p.NS = map[string]string{"net": "net:[50]", "uts": "uts:[50]", "ipc": "ipc:[50]", "pid": "pid" + own, "mnt": "mnt" + own, "user": "user:[1]", "cgroup": "cgroup:[1]"}
	return p
}

// sound is a pod of a sandbox and two containers, changed by what is given.
func sound(change ...func(m []Process)) Report {
	r := Report{Host: host, Members: []Process{process(0), process(1), process(2)}}
	for _, f := range change {
		f(r.Members)
	}
	return r
}

// all puts every member into a namespace.
func all(kind, ns string) func([]Process) {
	return func(m []Process) {
		for i := range m {
			m[i].NS[kind] = ns
		}
	}
}

func at(i int, kind, ns string) func([]Process) { return func(m []Process) { m[i].NS[kind] = ns } }

func TestJudge(t *testing.T) {
	bad := map[string]string{"net": "not permitted: it needs root with CAP_SYS_PTRACE"}
	for _, test := range []struct {
		name string
		r    Report
		w    Want
		want string // the rows that are not OK, with their status and reason
	}{
		{name: "sound", r: sound()},
		{name: "no sandbox process, as CRI-O leaves it out", r: Report{Host: host, Members: []Process{process(1), process(2)}}},
		{name: "one container", r: Report{Host: host, Members: []Process{process(0), process(1)}}},
		{name: "a container has a network of its own", r: sound(at(2, "net", "net:[7]")), want: "network Failing c2 is not in that of sandbox"},
		{name: "the sandbox has the say, wherever it stands", r: Report{Host: host, Members: []Process{process(1), process(0), process(2)}}, w: Want{ShareProcessNamespace: true},
			want: "pid Failing c1 is not in that of sandbox"},
		{name: "a container is in the host's network", r: sound(at(1, "net", "net:[1]")), want: "network Failing c1 lies in the host's"},
		{name: "all are in the host's network", r: sound(all("net", "net:[1]")), want: "network Failing c1, c2 and sandbox lie in the host's"},
		{name: "hostNetwork", r: sound(all("net", "net:[1]"), all("uts", "uts:[1]")), w: Want{HostNetwork: true}},
		{name: "hostNetwork with a host name of the pod's", r: sound(all("net", "net:[1]")), w: Want{HostNetwork: true}},
		{name: "hostNetwork that is not", r: sound(all("uts", "uts:[1]")), w: Want{HostNetwork: true}, want: "network Failing sandbox is not in the host's"},
		{name: "hostIPC", r: sound(all("ipc", "ipc:[1]")), w: Want{HostIPC: true}},
		{name: "ipc in halves", r: sound(at(1, "ipc", "ipc:[9]")), want: "ipc Failing c1 is not in that of sandbox"},
		{name: "hostPID", r: sound(all("pid", "pid:[1]")), w: Want{HostPID: true}},
		{name: "hostPID that is not", r: sound(), w: Want{HostPID: true}, want: "pid Failing sandbox is not in the host's"},
		{name: "shareProcessNamespace", r: sound(all("pid", "pid:[60]")), w: Want{ShareProcessNamespace: true}},
		{name: "shareProcessNamespace that is not", r: sound(), w: Want{ShareProcessNamespace: true}, want: "pid Failing c1 is not in that of sandbox"},
		{name: "pid shared unasked", r: sound(all("pid", "pid:[60]")), want: "pid Failing c1, c2 and sandbox share one"},
		{name: "the host's processes unasked", r: sound(at(2, "pid", "pid:[1]")), want: "pid Failing c2 lies in the host's"},
		{name: "mounts shared", r: sound(at(2, "mnt", "mnt:[101]")), want: "mount Failing c1 and c2 share one"},
		{name: "the host's root", r: sound(func(m []Process) { m[1].Root = "8:1 /" }), want: "root fs Failing c1 lies in the host's"},
		{name: "a user namespace unasked", r: sound(all("user", "user:[8]")), want: "user Failing sandbox is not in the host's"},
		{name: "a user namespace", r: sound(all("user", "user:[8]")), w: Want{UserNamespace: true}},
		{name: "a user namespace that is not", r: sound(), w: Want{UserNamespace: true}, want: "user Failing c1, c2 and sandbox lie in the host's"},
		{name: "cgroup namespaces of v2", r: sound(at(1, "cgroup", "cgroup:[5]"), at(2, "cgroup", "cgroup:[6]"))},
		{name: "a shared cgroup namespace", r: sound(at(1, "cgroup", "cgroup:[5]"), at(2, "cgroup", "cgroup:[5]")), want: "cgroup ns Failing c1 and c2 share one"},
		{name: "below its cgroup", r: sound(), w: Want{Cgroup: cgroup}},
		{name: "outside of its cgroup", r: sound(func(m []Process) { m[2].Cgroups = []string{cgroup + "y/id2"} }), w: Want{Cgroup: cgroup},
			want: "cgroup Failing c2 lies outside of " + cgroup + ": its limits don't hold there"},
		{name: "no cgroup to be read", r: sound(func(m []Process) { m[2].Cgroups, m[2].Problems["cgroup"] = nil, "why" }), w: Want{Cgroup: cgroup},
			want: "cgroup Unknown c2: why"},
		{name: "not permitted", r: sound(func(m []Process) { delete(m[1].NS, "net"); m[1].Problems = bad }), want: "network Unknown c1: " + bad["net"]},
		{name: "not permitted and wrong", r: sound(at(2, "net", "net:[1]"), func(m []Process) { delete(m[1].NS, "net"); m[1].Problems = bad }),
			want: "network Failing c2 lies in the host's"},
		{name: "one is gone", r: sound(func(m []Process) { m[2] = Process{Member: m[2].Member, Gone: "its process has ended"} }),
			want: "process Failing c2: its process has ended: look again, the runtime may not have seen it yet"},
	} {
		var got []string
		for _, l := range Judge(test.r, test.w) {
			if l.OK != (l.Status == health.OK) || (l.OK) != (l.Why == "") || l.Expected == "" || l.Actual == "" {
				t.Errorf("%s: %+v", test.name, l)
			}
			if !l.OK {
				got = append(got, fmt.Sprintf("%s %s %s", l.Namespace, word(l.Status), l.Why))
			}
		}
		if s := strings.Join(got, "\n"); s != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, s, test.want)
		}
	}
}

func word(s health.Status) string {
	return map[health.Status]string{health.Failing: "Failing", health.Unknown: "Unknown"}[s]
}

// Nothing that was not seen is OK.
func TestNothingIsUnknown(t *testing.T) {
	blind := host
	blind.NS, blind.Root, blind.Problems = nil, "", map[string]string{}
	for _, kind := range append([]string{"root", "cgroup"}, Kinds...) {
		blind.Problems[kind] = "why"
	}
	gone := sound(func(m []Process) {
		for i := range m {
			m[i].Gone = "gone"
		}
	})
	for name, r := range map[string]Report{"no members": {Host: host}, "all are gone": gone, "a host that can't be read": {Host: blind, Members: sound().Members}} {
		for _, l := range Judge(r, Want{Cgroup: cgroup}) {
			if l.OK && !(name == "a host that can't be read" && (l.Namespace == "process" || l.Namespace == "cgroup")) {
				t.Errorf("%s: %+v", name, l)
			}
		}
	}
	// Each namespace of each member that is missing is seen to be.
	for i := range sound().Members {
		for kind := range maps.Keys(host.NS) {
			r := sound(func(m []Process) { delete(m[i].NS, kind); m[i].Problems[kind] = "why" })
			unknown := 0
			for _, l := range Judge(r, Want{}) {
				if l.Status == health.Unknown {
					unknown++
				}
			}
			if unknown != 1 {
				t.Errorf("%s of member %d is missing: %d rows are unknown", kind, i, unknown)
			}
		}
	}
}

func TestTable(t *testing.T) {
	for name, r := range map[string]Report{
		"sound": sound(),
		"bad": sound(at(2, "net", "net:[1]"), all("pid", "pid:[60]"), func(m []Process) {
			delete(m[1].NS, "ipc")
			m[1].Problems["ipc"] = problem(os.ErrPermission)
			m[0].Cgroups = []string{"/kubepods/burstable/poda53c803e-0242-88a4-b382-c841da3c0be0-and-a-name-that-is-much-too-long-for-a-line/x"}
		}),
	} {
		got := Table(Judge(r, Want{Cgroup: cgroup}))
		for line := range strings.Lines(got) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("%s: wider than %d: %s", name, width, line)
			}
		}
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got != string(want) {
			t.Errorf("not as in %s (go test -run %s -update writes it anew), %v:\n%s", golden, t.Name(), err, got)
		}
	}
	hostile := Table([]Line{{Namespace: "\x1b[31m", Expected: strings.Repeat("é", 99), Actual: "a\nb", Why: strings.Repeat("x", 300) + " \x07"}})
	if strings.ContainsAny(hostile, "\x1b\x07") || strings.Contains(hostile, "a\nb") {
		t.Errorf("%q", hostile)
	}
	for line := range strings.Lines(hostile) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > width {
			t.Errorf("wider than %d: %s", width, line)
		}
	}
}
