package runtime

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
)

func condition(name string, ok bool, reason, message string) *cri.RuntimeCondition {
	return &cri.RuntimeCondition{Type: name, Status: ok, Reason: reason, Message: message}
}

func answers(conditions ...*cri.RuntimeCondition) Seen {
	return Seen{
		Where:   Detection{Endpoint: Endpoint{"/run/c.sock", "a test"}, Exists: true},
		Version: Answer[*cri.VersionResponse]{Resp: &cri.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "1.6.20", RuntimeApiVersion: "v1"}},
		Status:  Answer[*cri.StatusResponse]{Resp: &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: conditions}}},
		Timeout: 3 * time.Second,
	}
}

func TestJudge(t *testing.T) {
	ready, network := condition(cri.RuntimeReady, true, "", ""), condition(cri.NetworkReady, true, "", "")
	// silent is a runtime that failed both calls.
	silent := func(dial error, code codes.Code) Seen {
		s := answers()
		s.Dial = dial
		s.Version = Answer[*cri.VersionResponse]{Err: status.Error(code, "no Version")}
		s.Status = Answer[*cri.StatusResponse]{Err: status.Error(code, "no Status")}
		return s
	}
	dialing := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno)}
	}
	with := func(s Seen, change func(*Seen)) Seen { change(&s); return s }

	for _, c := range []struct {
		name    string
		seen    Seen
		want    string   // status and reason of RuntimeResponsive, RuntimeReady, NetworkReady
		message []string // parts of what the first that is not ok says
	}{
		{name: "well", seen: answers(ready, network), want: "ok ok ok"},
		{name: "not ready", seen: answers(condition(cri.RuntimeReady, false, "Why", "because"), network), want: "ok failing/NotReady ok", message: []string{"Why: because"}},
		{name: "not ready, says nothing", seen: answers(condition(cri.RuntimeReady, false, "", ""), network), want: "ok failing/NotReady ok"},
		{name: "containerd's CNI", seen: answers(ready, condition(cri.NetworkReady, false, "NetworkPluginNotReady", "Network plugin returns error: cni plugin not initialized")),
			want: "ok ok failing/CNINotInitialized", message: []string{"cni plugin not initialized"}},
		{name: "CRI-O's CNI", seen: answers(ready, condition(cri.NetworkReady, false, "NetworkPluginNotReady",
			"Network plugin returns error: No CNI configuration file in /etc/cni/net.d/. Has your network provider started?")), want: "ok ok failing/CNINotInitialized"},
		{name: "another network error", seen: answers(ready, condition(cri.NetworkReady, false, "NetworkPluginNotReady", "ipam is full")), want: "ok ok failing/NotReady"},
		{name: "tells nothing", seen: answers(), want: "ok unknown/NotReported unknown/NotReported"},
		{name: "empty status", seen: with(answers(), func(s *Seen) { s.Status.Resp = &cri.StatusResponse{} }), want: "ok unknown/NotReported unknown/NotReported"},

		{name: "hung", seen: with(silent(nil, codes.DeadlineExceeded), func(s *Seen) { s.Peer = Process{7, "containerd", 'T'} }),
			want: "failing/Hung", message: []string{"containerd (pid 7)", "state T", "Version and Status", "3s"}},
		{name: "hung, peer not known", seen: silent(nil, codes.DeadlineExceeded), want: "failing/Hung", message: []string{"the runtime did not answer"}},
		{name: "hung in Status alone", seen: with(answers(ready, network), func(s *Seen) { s.Status.Err = status.Error(codes.DeadlineExceeded, "") }),
			want: "failing/Hung", message: []string{"did not answer Status within"}},
		{name: "one hung, one in error", seen: with(silent(nil, codes.DeadlineExceeded), func(s *Seen) { s.Version.Err = status.Error(codes.Internal, "") }),
			want: "failing/Hung", message: []string{"did not answer Status within"}},
		{name: "queue full", seen: silent(dialing(syscall.EAGAIN), codes.Unavailable), want: "failing/Hung", message: []string{"queue is full"}},
		{name: "refused", seen: silent(dialing(syscall.ECONNREFUSED), codes.Unavailable), want: "failing/Dead", message: []string{"refused", "unix:///run/c.sock"}},
		{name: "gone", seen: silent(dialing(syscall.ENOENT), codes.Unavailable), want: "failing/Dead", message: []string{"does not run"}},
		{name: "gone while it hung", seen: silent(dialing(syscall.ENOENT), codes.DeadlineExceeded), want: "failing/Dead"},
		{name: "denied", seen: silent(dialing(syscall.EACCES), codes.Unavailable), want: "failing/Denied", message: []string{fmt.Sprint("uid ", os.Geteuid())}},
		{name: "denied by the runtime", seen: silent(nil, codes.PermissionDenied), want: "failing/Denied", message: []string{"no Version"}},
		{name: "cannot connect", seen: silent(dialing(syscall.ENOTSOCK), codes.Unavailable), want: "failing/Error"},
		{name: "no CRI", seen: silent(nil, codes.Unimplemented), want: "failing/NoCRI"},
		{name: "an error", seen: silent(nil, codes.Internal), want: "failing/Error", message: []string{"Version and Status: no Version"}},
		{name: "Status in error", seen: with(answers(ready, network), func(s *Seen) { s.Status.Err = status.Error(codes.Unknown, "boltdb is sad") }),
			want: "failing/Error", message: []string{"Status: boltdb is sad"}},

		{name: "not asked", seen: Seen{Where: answers().Where}, want: "failing/Error"},
		{name: "nothing found", seen: Seen{Where: Detection{Tried: []string{"here", "there"}}}, want: "failing/NotFound"},
		{name: "nothing found, none needed", seen: Seen{Unneeded: "no kubelet"}, want: "absent absent absent", message: []string{"none is needed: no kubelet"}},
		{name: "Docker, none needed", seen: Seen{Unneeded: "no kubelet", Where: Detection{Docker: true}}, want: "absent absent absent"},
		{name: "dead, though none is needed", seen: with(silent(dialing(syscall.ECONNREFUSED), codes.Unavailable), func(s *Seen) { s.Unneeded = "no kubelet" }), want: "failing/Dead"},
		{name: "Docker", seen: Seen{Where: Detection{Docker: true}}, want: "failing/DockerOnly"},
		{name: "TCP", seen: Seen{Where: Detection{Fixed: true, Invalid: errors.New("tcp is no unix socket")}}, want: "failing/InvalidEndpoint", message: []string{"tcp is no unix socket"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			looks := judge(c.seen, time.Minute)
			if !strings.Contains(c.want, " ") {
				c.want += " unknown/RuntimeUnresponsive unknown/RuntimeUnresponsive"
			}
			var got []string
			var worst *health.Finding
			for i, l := range looks {
				if l.Of != Conditions()[i] || l.Valid != time.Minute || l.Partial || len(l.Findings) != 1 {
					t.Fatalf("look %d is %+v", i, l)
				}
				f := l.Findings[0]
				word := f.Status.String()
				if f.Reason != nil {
					word += "/" + f.Reason.Name
				}
				got = append(got, word)
				if f.Status != health.OK && worst == nil {
					worst = &l.Findings[0]
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
			for _, part := range c.message {
				if worst == nil || !strings.Contains(worst.Message, part) {
					t.Errorf("%+v says nothing of %q", worst, part)
				}
			}
			// What the board would not believe is a mistake of judge.
			b := health.NewBoard(nil, Conditions()...)
			b.Publish(looks...)
			for _, s := range b.Snapshot().States() {
				if s.Worst().Reason == health.ReasonUndeclared {
					t.Errorf("%s has a reason outside of its set", s.Condition.Name)
				}
			}
		})
	}
}

// Two looks at the same thing must be equal, or each would make a snapshot and wake every watcher.
func TestJudgeIsSteady(t *testing.T) {
	s := answers(condition(cri.RuntimeReady, true, "", ""), condition(cri.NetworkReady, true, "", ""))
	changes := 0
	b := health.NewBoard(func(health.Change) { changes++ }, Conditions()...)
	for range 3 {
		b.Publish(judge(s, time.Minute)...)
	}
	if changes != 3 {
		t.Errorf("%d changes, want one a condition", changes)
	}
}

func TestReasonsSayWhatToDo(t *testing.T) {
	for _, c := range Conditions() {
		if c.Help == "" {
			t.Errorf("%s: help %q", c.Name, c.Help)
		}
		names := map[string]bool{}
		for _, r := range c.Reasons {
			if names[r.Name] || len(r.Fix) < 20 || !strings.HasSuffix(r.Fix, ".") {
				t.Errorf("%s/%s: fix %q", c.Name, r.Name, r.Fix)
			}
			names[r.Name] = true
		}
	}
}

func TestReadProcess(t *testing.T) {
	if p := readProcess(os.Getpid()); p.PID != os.Getpid() || p.Name == "" || !strings.ContainsRune("RSD", rune(p.State)) {
		t.Errorf("this process is %+v", p)
	}
	if p := readProcess(1); p != (Process{}) {
		t.Errorf("pid 1 is %+v", p)
	}
}
