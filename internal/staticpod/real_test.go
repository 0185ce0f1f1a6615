package staticpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
)

// soonly waits for what other processes and the kernel bring about.
func soonly(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not happen", what)
		}
	}
}

func TestExitsTellOfARealProcess(t *testing.T) {
	var mu sync.Mutex
	told := map[string]int{}
	heard := func(id string) int { mu.Lock(); defer mu.Unlock(); return told[id] }
	e, err := newExits(func(id string) { mu.Lock(); defer mu.Unlock(); told[id]++ })
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	<-e.Ready()

	child := exec.Command("sleep", "infinity")
	check(t, child.Start())
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", child.Process.Pid))
	check(t, err)
	id := strings.TrimSpace(string(own)) // whatever stands there counts as its container's id
	now := time.Now()
	e.watch(id, child.Process.Pid, now)
	e.watch(id, child.Process.Pid, now) // twice is once
	e.watch("of another cgroup", child.Process.Pid, now)
	e.watch("long gone", 5_000_000, now)
	e.watch("its pid is another's", child.Process.Pid, now.Add(-time.Hour))
	zombie := exec.Command("true")
	check(t, zombie.Start())
	defer zombie.Wait()
	soonly(t, "a zombie", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", zombie.Process.Pid))
		return strings.Contains(string(b), ") Z ")
	})
	e.watch("a zombie", zombie.Process.Pid, now)
	for _, gone := range []string{"long gone", "its pid is another's", "a zombie"} {
		soonly(t, "the end of what is gone already: "+gone, func() bool { return heard(gone) == 1 })
	}
	if heard(id) != 0 {
		t.Error("told before it ended")
	}
	check(t, child.Process.Kill())
	soonly(t, "the end of the process", func() bool { return heard(id) == 1 })
	child.Wait()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if heard("of another cgroup") != 0 || heard(id) != 1 || len(e.fds) != 0 {
		t.Errorf("%v, %d descriptors are left", told, len(e.fds))
	}
	e.close()
}

func TestTheFolderIsWatched(t *testing.T) {
	n := newNode(t, crifake.Options{})
	n.cfg.FileCheckFrequency = time.Hour
	n.put("a.yaml", manifestOf("a", image1))
	n.runWatching()
	defer func() { n.stop() }()
	isUp := func(pod string) func() bool {
		return func() bool { _, ok := n.rt.Running(pod+"-node", "main"); return ok }
	}
	soonly(t, "the start of what is there", isUp("a"))
	check(t, os.WriteFile(filepath.Join(n.manifests, "b.yaml"), []byte(manifestOf("b", image1)), 0o644))
	soonly(t, "the start of a new file", isUp("b"))
	if e := n.entry(conditions.ManifestFolder, ""); e.Status != health.OK {
		t.Errorf("%+v", e)
	}
	check(t, os.Remove(filepath.Join(n.manifests, "b.yaml")))
	soonly(t, "the end of a removed file", func() bool { return len(n.rt.Sandboxes("b-node")) == 0 })
	check(t, os.Rename(n.manifests, n.manifests+".old"))
	soonly(t, "the folder's absence", func() bool { return n.entry(conditions.ManifestFolder, "").Reason == conditions.RunFolderMissing })
	if !isUp("a")() {
		t.Error("a folder that is missing ended a pod")
	}
	check(t, os.Mkdir(n.manifests, 0o755))
	soonly(t, "the folder's return", func() bool { return n.entry(conditions.ManifestFolder, "").Reason == conditions.RunFolderReplaced })
	check(t, os.WriteFile(filepath.Join(n.manifests, "a.yaml"), []byte(manifestOf("a", image2)), 0o644))
	soonly(t, "the start of the folder's new content", func() bool {
		c, ok := n.rt.Running("a-node", "main")
		return ok && c.Config.Image.Image == image2
	})
	soonly(t, "the folder's acceptance", func() bool { return n.entry(conditions.ManifestFolder, "").Status == health.OK })
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		err                      error
		notFound, doubt, noImage bool
	}{
		{nil, false, false, false},
		{errors.New("x"), false, false, false},
		{fmt.Errorf("stop: %w", status.Error(codes.NotFound, "no such container")), true, false, false},
		{fmt.Errorf("create: %w", status.Error(codes.NotFound, "failed to resolve image \"x\": not found")), true, false, true},
		{errors.New("image x: not found"), false, false, true},
		{fmt.Errorf("run: %w", status.Error(codes.DeadlineExceeded, "")), false, true, false},
		{status.Error(codes.Unavailable, ""), false, true, false},
		{status.Error(codes.Canceled, ""), false, true, false},
		{context.DeadlineExceeded, false, true, false},
		{status.Error(codes.Unknown, `failed to reserve sandbox name "a": name "a" is reserved for "b"`), false, true, false},
	} {
		if isNotFound(test.err) != test.notFound || isInDoubt(test.err) != test.doubt || isNoImage(test.err) != test.noImage {
			t.Errorf("%v: not found %t, in doubt %t, no image %t", test.err, isNotFound(test.err), isInDoubt(test.err), isNoImage(test.err))
		}
	}
}

func TestAskDriver(t *testing.T) {
	for _, p := range crifake.Personalities() {
		for _, systemd := range []bool{false, true} {
			rt := crifake.New(crifake.Options{Personality: p, SystemdCgroup: systemd})
			want := map[bool]string{false: "cgroupfs", true: "systemd"}[systemd]
			if got, err := askDriver(t.Context(), rt.Client().RuntimeServiceClient, time.Second); err != nil || got != want {
				t.Errorf("%s: %s %v, want %s", p.Name, got, err, want)
			}
			rt.Fail("RuntimeConfig", status.Error(codes.Internal, "x"), -1)
			rt.Fail("Status", status.Error(codes.Internal, "x"), -1)
			if got, err := askDriver(t.Context(), rt.Client().RuntimeServiceClient, time.Second); err == nil || got != "cgroupfs" {
				t.Errorf("%s: %s %v", p.Name, got, err)
			}
		}
	}
}

func TestRemoveLogStaysInsideThePodsOwnFolder(t *testing.T) {
	n := newNode(t, crifake.Options{})
	p := &Pods{d: Deps{Store: n.store, CRI: cri.NewRuntimeServiceClient(client{n: n, life: context.Background()}), Config: func() Config { return n.cfg }}}
	p.logs = newLogs(p)
	m := Memory{Namespace: "default", FullName: "web-node"}
	inside, outside := filepath.Join(n.logs, "default_web-node_u1", "main", "0.log"), filepath.Join(n.logs, "default_other-node_u2", "main", "0.log")
	for _, f := range []string{inside, outside} {
		check(t, os.MkdirAll(filepath.Dir(f), 0o755))
		check(t, os.WriteFile(f, nil, 0o600))
	}
	for _, log := range []string{inside, inside, outside, n.logs + "/default_web-node_u1/../default_other-node_u2/main/0.log", ""} {
		check(t, p.removeContainer(t.Context(), opContext{m: m}, Action{ID: "x", Log: log}))
	}
	if _, err := os.Stat(inside); err == nil {
		t.Error("its own log is left")
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error("another pod's log is gone")
	}
}
