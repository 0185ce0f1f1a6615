package crifake_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

type stream = cri.RuntimeService_GetContainerEventsClient

func subscribe(t testing.TB, ctx context.Context, rt cri.RuntimeServiceClient) stream {
	t.Helper()
	st, err := rt.GetContainerEvents(ctx, &cri.GetEventsRequest{})
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	return st
}

// drain reads what is there: in a bubble, until nothing comes for a second.
func drain(t testing.TB, rt cri.RuntimeServiceClient) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return read(t, subscribe(t, ctx, rt))
}

// read returns the kinds of events until the stream ends, as "pod:CREATED main:STARTED".
func read(t testing.TB, st stream) string {
	t.Helper()
	var got []string
	for {
		e, err := st.Recv()
		if err != nil {
			return strings.Join(got, " ")
		}
		who := "pod"
		for _, c := range e.ContainersStatuses {
			if c.Id == e.ContainerId {
				who = c.Metadata.Name
			}
		}
		if who == "pod" && e.ContainerId != e.PodSandboxStatus.Id {
			who = "gone"
		}
		kind := strings.TrimSuffix(strings.TrimPrefix(e.ContainerEventType.String(), "CONTAINER_"), "_EVENT")
		got = append(got, who+":"+kind)
	}
}

func TestEventKinds(t *testing.T) {
	full := "pod:CREATED pod:STARTED main:CREATED main:STARTED main:STOPPED pod:STOPPED gone:DELETED pod:DELETED"
	want := map[string]string{
		"containerd-1.6": "",
		"containerd-1.7": full,
		"containerd-2":   full,
		"cri-o":          "pod:STARTED main:CREATED main:STARTED main:STOPPED pod:STOPPED",
	}
	each(t, func(t *testing.T, p crifake.Personality) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(p)
			rt := s.Client()
			sandbox, _ := up(t, rt, "web")
			if _, err := rt.RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: sandbox}); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, rt); got != want[p.Name] { // all of it from the backlog
				t.Errorf("got %q, want %q", got, want[p.Name])
			}
			if got := drain(t, rt); got != "" {
				t.Errorf("the second subscriber got the backlog again: %q", got)
			}
		})
	})
}

func TestEventsNotOffered(t *testing.T) {
	_, err := subscribe(t, t.Context(), newServer(crifake.Containerd16()).Client()).Recv()
	wantCode(t, err, codes.Unimplemented)
	s := crifake.New(crifake.Options{Personality: crifake.CRIO()})
	if _, err := subscribe(t, t.Context(), s.Client()).Recv(); err != io.EOF {
		t.Errorf("CRI-O without enable_pod_events: %v, want EOF", err)
	}
	if n := s.InFlight("*"); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

func TestEventsSharedOrBroadcast(t *testing.T) {
	both := "pod:CREATED pod:STARTED"
	want := map[string][2]string{
		"containerd-1.7": {"pod:CREATED", "pod:STARTED"},
		"containerd-2":   {both, both},
		"cri-o":          {"pod:STARTED", "pod:STARTED"},
	}
	for _, p := range crifake.Personalities()[1:] {
		t.Run(p.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(p)
				rt := s.Client()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				later, cancel := context.WithTimeout(t.Context(), time.Hour) // the second is read after the first
				defer cancel()
				first, second := subscribe(t, ctx, rt), subscribe(t, later, rt)
				run(t, rt, pod("web"))
				if a, b := read(t, first), read(t, second); a != want[p.Name][0] || b != want[p.Name][1] {
					t.Errorf("got %q and %q, want %q", a, b, want[p.Name])
				}
			})
		})
	}
}

func TestEventsSubscriberThatLeft(t *testing.T) {
	want := map[string]string{ // of two events
		"containerd-1.7": "pod:STARTED",
		"containerd-2":   "pod:CREATED pod:STARTED",
	}
	for _, p := range crifake.Personalities()[1:3] {
		t.Run(p.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(p)
				rt := s.Client()
				gone, leave := context.WithCancel(t.Context())
				subscribe(t, gone, rt)
				leave()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				stays := subscribe(t, ctx, rt)
				run(t, rt, pod("web"))
				if got := read(t, stays); got != want[p.Name] {
					t.Errorf("got %q, want %q", got, want[p.Name])
				}
			})
		})
	}
}

func TestEventsDroppedAndBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(crifake.Containerd2())
		rt := s.Client()
		s.DropEvents(true)
		run(t, rt, pod("a"))
		s.DropEvents(false)
		if got := drain(t, rt); got != "" {
			t.Errorf("dropped events came: %q", got)
		}
		st := subscribe(t, t.Context(), rt)
		s.Down()
		_, err := st.Recv()
		wantCode(t, err, codes.Unavailable)
		if _, err := rt.GetContainerEvents(t.Context(), &cri.GetEventsRequest{}); err == nil {
			t.Error("subscribed to a runtime that is down")
		}
		s.Up()
	})
}
