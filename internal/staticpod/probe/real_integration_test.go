//go:build integration

package probe

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

// A real container of a real runtime: what it answers, what its commands end with, and what is said once it is gone.
func TestProbesOfARealContainer(t *testing.T) {
	l := labtest.Start(t, lab.Options{})
	if err := l.Import(t.Context(), l.WorkloadImage("lab.invalid/probe:1", "serve", "--port", "8080")); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	sandbox, id, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: "probe", Image: "lab.invalid/probe:1"})
	if err != nil {
		t.Fatal(err)
	}
	st, err := client.PodSandboxStatus(t.Context(), &cri.PodSandboxStatusRequest{PodSandboxId: sandbox})
	if err != nil {
		t.Fatal(err)
	}
	exec := func(args ...string) corev1.ProbeHandler {
		return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: append([]string{"/nodeagent", "workload"}, args...)}}
	}
	spec := &corev1.Container{
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
		StartupProbe:   &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 30, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: 5, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http")}}},
		LivenessProbe:  &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2, TimeoutSeconds: 1, ProbeHandler: exec("exec-sleep", "1m")},
	}
	changed := make(chan string, 100)
	p := New(Deps{Exec: ExecIn(client), Changed: func(key string) { changed <- key }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	p.Sync("lab/probe", []Target{{ContainerID: id, Container: "main", PodIP: st.GetStatus().GetNetwork().GetIp(), Spec: spec, Started: time.Now()}})
	until := func(what string, ok func(Result) bool) Result {
		t.Helper()
		late := time.After(30 * time.Second)
		for {
			if r := p.Result(id); ok(r) {
				return r
			}
			select {
			case <-changed:
			case <-late:
				t.Fatalf("%s does not come: %+v\n%+v", what, p.Result(id), p.Details(id))
			}
		}
	}
	until("ready", func(r Result) bool { return r.Started && r.Ready })
	r := until("the time-out of the command", func(r Result) bool { return r.LivenessFailed })
	if r.Message != "liveness probe failed 2 times in a row: exec: the command did not end within 1s" {
		t.Errorf("%+v", r)
	}

	x := Target{ContainerID: id, Spec: spec}
	once := func(h corev1.ProbeHandler) attempt {
		return newHandlers(ExecIn(client)).probe(t.Context(), &corev1.Probe{TimeoutSeconds: 10, ProbeHandler: h}, x)
	}
	if a := once(exec("exec-sleep", "1ms")); a.outcome != Success {
		t.Errorf("a command that ends: %+v", a)
	}
	if a := once(exec("crash", "--after", "1ms", "--code", "7")); a.outcome != Failure || a.message != "exec: exit code 7" || !strings.HasPrefix(a.output, "ending with status 7") {
		t.Errorf("a command that fails: %+v", a)
	}
	if a := once(corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/no/such"}}}); a.outcome == Success {
		t.Errorf("a command that is not there: %+v", a)
	} else {
		t.Logf("a command that is not there: %v %s", a.outcome, a.message)
	}
	if err := RunHook(t.Context(), &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/nodeagent", "workload", "exec-sleep", "1ms"}}}, x, ExecIn(client)); err != nil {
		t.Errorf("hook: %v", err)
	}

	if _, err := client.StopContainer(t.Context(), &cri.StopContainerRequest{ContainerId: id}); err != nil {
		t.Fatal(err)
	}
	until("not ready", func(r Result) bool { return !r.Ready })
	if a := once(exec("exec-sleep", "1ms")); a.outcome != Unknown {
		t.Errorf("a command in what has ended: %+v", a)
	}
}
