package runtime

import (
	"testing"
	"time"

	tasks "github.com/containerd/containerd/api/events"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

type hint struct{ id, pod string }

func eventRig(t *testing.T, fake *crifake.Server) (r *rig, hints chan hint, relists chan struct{}) {
	hints, relists = make(chan hint, 1000), make(chan struct{}, 1000)
	r = start(t, Config{Endpoint: fake.Serve(t)}, Hooks{
		OnEvent:  func(id, pod string) { hints <- hint{id, pod} },
		OnRelist: func() { relists <- struct{}{} },
	})
	r.awaitWell()
	return r, hints, relists
}

func sandbox(t *testing.T, r *rig, name string) (id string) {
	t.Helper()
	resp, err := r.CRI().RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "ns", Uid: "u-" + name},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return resp.PodSandboxId
}

func TestCRIEvents(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.CRIO(), PodEvents: true})
	r, hints, relists := eventRig(t, fake)
	receive(t, relists, "relist")
	if id, h := sandbox(t, r, "a"), receive(t, hints, "event"); h.id != id || h.pod != "ns/a" {
		t.Errorf("sandbox %s gave %+v", id, h)
	}

	fake.Down()
	r.awaitFailing("Dead")
	fake.Up()
	receive(t, relists, "relist after a reconnect")
	for { // what was made just now may have come before the subscription
		id := sandbox(t, r, "b"+time.Now().Format("150405.000000000"))
		select {
		case h := <-hints:
			if h.id != id {
				continue
			}
			return
		case <-time.After(5 * time.Second):
			t.Fatal("no event after a reconnect")
		}
	}
}

// Events that waited for a subscriber are older than the relist, and are no news.
func TestBacklogIsIgnored(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.CRIO(), PodEvents: true})
	old, err := fake.Client().RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: "old", Namespace: "ns", Uid: "u"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, hints, relists := eventRig(t, fake)
	receive(t, relists, "relist")
	id := sandbox(t, r, "new")
	if h := receive(t, hints, "event"); h.id != id {
		t.Errorf("the first event is of %s (old is %s), want %s", h.id, old.PodSandboxId, id)
	}
}

// CRI-O without enable_pod_events ends the stream at once: one relist, one line in the log, and ever rarer attempts.
func TestNoEvents(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.CRIO()})
	r, hints, relists := eventRig(t, fake)
	receive(t, relists, "relist")
	eventually(t, "a second attempt", func() bool { return fake.Count("GetContainerEvents") >= 2 })
	eventually(t, "a line in the log", func() bool { return r.logs.FilterMessageSnippet("no container events").Len() == 1 })
	if len(relists) != 0 || len(hints) != 0 {
		t.Errorf("%d relists, %d hints", len(relists), len(hints))
	}
	if n := fake.Count("GetContainerEvents"); n > 3 {
		t.Errorf("%d attempts in about a second", n)
	}
}

// What calls itself containerd and serves no containerd events is asked for CRI's.
func TestNativeEventsMissing(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.Containerd2()})
	r, hints, relists := eventRig(t, fake)
	receive(t, relists, "relist")
	eventually(t, "CRI subscription", func() bool { return fake.InFlight("GetContainerEvents") == 1 })
	if id, h := sandbox(t, r, "a"), receive(t, hints, "event"); h.id != id {
		t.Errorf("sandbox %s gave %+v", id, h)
	}
}

func TestContainerOf(t *testing.T) {
	for _, c := range []struct {
		name, topic string
		event       proto.Message
		want        string
	}{
		{"exit", "/tasks/exit", &tasks.TaskExit{ContainerID: "c", ID: "c"}, "c"},
		{"exit with no process id", "/tasks/exit", &tasks.TaskExit{ContainerID: "c"}, "c"},
		{"end of an exec", "/tasks/exit", &tasks.TaskExit{ContainerID: "c", ID: "exec-1"}, ""},
		{"start", "/tasks/start", &tasks.TaskStart{ContainerID: "c"}, "c"},
		{"oom", "/tasks/oom", &tasks.TaskOOM{ContainerID: "c"}, "c"},
		{"delete", "/containers/delete", &tasks.ContainerDelete{ID: "c"}, "c"},
		{"another topic", "/images/create", &tasks.ImageCreate{Name: "i"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := proto.Marshal(c.event)
			if err != nil {
				t.Fatal(err)
			}
			if got := containerOf(c.topic, b); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzContainerOf(f *testing.F) {
	b, _ := proto.Marshal(&tasks.TaskExit{ContainerID: "c", ID: "c", Pid: 1})
	f.Add("/tasks/exit", b)
	f.Add("/containers/delete", []byte{0xff})
	f.Fuzz(func(t *testing.T, topic string, event []byte) { _ = containerOf(topic, event) })
}
