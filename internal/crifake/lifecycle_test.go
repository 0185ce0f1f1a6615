package crifake_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

func TestNamesAreReserved(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		s := newServer(p)
		rt := s.Client()
		cfg := pod("web")

		// the caller does not see the effect, and its retry meets it
		s.FailAfterEffect("RunPodSandbox default/web", 1)
		_, err := rt.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: cfg})
		wantCode(t, err, codes.DeadlineExceeded)
		_, err = rt.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: cfg})
		wantCode(t, err, codes.Unknown)
		if err == nil || !strings.Contains(err.Error(), "reserved") || !strings.Contains(err.Error(), "web_default_uid-web_0") {
			t.Errorf("got %v, want the reserved name", err)
		}
		sandboxes := s.Sandboxes("web")
		if len(sandboxes) != 1 {
			t.Fatalf("%d sandboxes, want 1", len(sandboxes))
		}
		cfg.Metadata.Attempt = 1
		run(t, rt, cfg)
		cfg.Metadata.Attempt = 0

		id := create(t, rt, sandboxes[0].ID, cfg, "main", 0)
		_, err = rt.CreateContainer(t.Context(), createRequest(sandboxes[0].ID, cfg, "main", 0))
		if err == nil || !strings.Contains(err.Error(), "reserved") || !strings.Contains(err.Error(), "main_web_default_uid-web_0") {
			t.Errorf("got %v, want the reserved name", err)
		}
		create(t, rt, sandboxes[0].ID, cfg, "main", 1)
		if _, err := rt.RemoveContainer(t.Context(), &cri.RemoveContainerRequest{ContainerId: id}); err != nil {
			t.Fatal(err)
		}
		create(t, rt, sandboxes[0].ID, cfg, "main", 0)
		if _, err := rt.RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: sandboxes[0].ID}); err != nil {
			t.Fatal(err)
		}
		run(t, rt, cfg)
	})
}

func TestSandboxLifecycle(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		s := newServer(p)
		rt := s.Client()
		sandbox, id := up(t, rt, "web")
		host := pod("host")
		host.Linux = &cri.LinuxPodSandboxConfig{SecurityContext: &cri.LinuxSandboxSecurityContext{
			NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE}}}
		run(t, rt, host)
		if v := s.Sandboxes(""); len(v) != 2 || v[0].IP == "" || v[1].IP != "" {
			t.Errorf("sandboxes: %+v", v)
		}
		s.SetCondition(cri.NetworkReady, false, "NetworkPluginNotReady", "Network plugin returns error: cni plugin not initialized")
		if _, err := rt.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: pod("late")}); err == nil || !strings.Contains(err.Error(), "cni plugin not initialized") {
			t.Errorf("a pod without a network: %v", err)
		}

		for range 2 { // idempotent
			if _, err := rt.StopPodSandbox(t.Context(), &cri.StopPodSandboxRequest{PodSandboxId: sandbox}); err != nil {
				t.Fatal(err)
			}
		}
		if v := s.Sandboxes("default/web")[0]; v.Ready || v.IP != "" {
			t.Errorf("stopped sandbox: %+v", v)
		}
		if p.Name == "cri-o" { // TERM and 10 s
			wantExit(t, containerStatus(t, rt, id), 0, "Completed")
		} else {
			wantExit(t, containerStatus(t, rt, id), 137, "Error")
		}
		if _, err := rt.CreateContainer(t.Context(), createRequest(sandbox, pod("web"), "main", 1)); err == nil {
			t.Error("a container was created in a stopped sandbox")
		}
		for range 2 {
			if _, err := rt.RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: sandbox}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(s.Containers("web")); n != 0 {
			t.Errorf("%d containers left", n)
		}
		_, err := rt.ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: id})
		wantCode(t, err, codes.NotFound)
		_, err = rt.PodSandboxStatus(t.Context(), &cri.PodSandboxStatusRequest{PodSandboxId: sandbox})
		wantCode(t, err, codes.NotFound)
		_, err = rt.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: id})
		wantCode(t, err, codes.NotFound)
		if err := stop(t.Context(), rt, id, 1); err != nil {
			t.Errorf("stop of an unknown container: %v", err)
		}
		if _, err := rt.RemoveContainer(t.Context(), &cri.RemoveContainerRequest{ContainerId: id}); err != nil {
			t.Errorf("remove of an unknown container: %v", err)
		}
		_, err = rt.Exec(t.Context(), &cri.ExecRequest{})
		wantCode(t, err, codes.Unimplemented)
	})
}

func TestContainerStates(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(p)
			rt := s.Client()
			cfg := pod("web")
			sandbox := run(t, rt, cfg)
			id := create(t, rt, sandbox, cfg, "main", 3)
			st := containerStatus(t, rt, id)
			if st.State != cri.ContainerState_CONTAINER_CREATED || st.CreatedAt != time.Now().UnixNano() || st.StartedAt != 0 || st.Metadata.Attempt != 3 {
				t.Errorf("created: %v", st)
			}
			time.Sleep(time.Second)
			s.Behave("web/main", crifake.Behaviour{Exits: true, ExitAfter: time.Minute, Code: 3})
			start(t, rt, id)
			if st = containerStatus(t, rt, id); st.State != cri.ContainerState_CONTAINER_RUNNING || st.StartedAt != time.Now().UnixNano() {
				t.Errorf("running: %v", st)
			}
			_, err := rt.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: id})
			wantCode(t, err, codes.Unknown)
			if pid := verbosePid(t, rt, id); pid <= 4194304 {
				t.Errorf("pid %d could be a process", pid)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			wantExit(t, containerStatus(t, rt, id), 3, "Error")
			if st = containerStatus(t, rt, id); st.FinishedAt != time.Now().UnixNano() {
				t.Errorf("finished: %v", st)
			}
			if pid := verbosePid(t, rt, id); pid != 0 {
				t.Errorf("pid %d after the end", pid)
			}
			if err := s.Exit("web/main", 0, ""); err == nil {
				t.Error("Exit found a running container")
			}
		})
	})
}

func verbosePid(t *testing.T, rt cri.RuntimeServiceClient, id string) int {
	t.Helper()
	r, err := rt.ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if err != nil {
		t.Fatal(err)
	}
	var info struct{ Pid int }
	if err := json.Unmarshal([]byte(r.Info["info"]), &info); err != nil {
		t.Fatal(err)
	}
	return info.Pid
}

func TestVanishedContainer(t *testing.T) {
	s := newServer(crifake.Containerd16())
	rt := s.Client()
	_, id := up(t, rt, "web")
	ended := 0
	s.OnExit(func(string, int) { ended++ })
	if err := s.Vanish("web/main"); err != nil {
		t.Fatal(err)
	}
	if st := containerStatus(t, rt, id); st.State != cri.ContainerState_CONTAINER_RUNNING || ended != 1 {
		t.Errorf("state %s, %d ends; want a stale RUNNING and 1", st.State, ended)
	}
	if err := stop(t.Context(), rt, id, 10); err != nil {
		t.Fatal(err)
	}
	wantExit(t, containerStatus(t, rt, id), 137, "Error")
}

func TestLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pod")
	s := crifake.New(crifake.Options{Images: []crifake.Image{{Name: image, Present: true, Behaviour: crifake.Behaviour{Log: []string{"hello"}}}}})
	rt := s.Client()
	cfg := pod("web")
	cfg.LogDirectory = dir
	id := create(t, rt, run(t, rt, cfg), cfg, "main", 0)
	start(t, rt, id)
	path := filepath.Join(dir, "main/0.log")
	if st := containerStatus(t, rt, id); st.LogPath != path {
		t.Errorf("log path %q, want %q", st.LogPath, path)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.ReopenContainerLog(t.Context(), &cri.ReopenContainerLogRequest{ContainerId: id}); err != nil {
		t.Fatal(err)
	}
	if err := s.Exit(id, 2, ""); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{path + ".1": "hello", path: "exited with code 2 (Error)"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\S+ stdout F ` + regexp.QuoteMeta(want) + `$`)
		if !line.Match(b) {
			t.Errorf("%s: %q, want a line %q", file, b, want)
		}
	}
	_, err := rt.ReopenContainerLog(t.Context(), &cri.ReopenContainerLogRequest{ContainerId: id})
	wantCode(t, err, codes.Unknown)
}

func TestStrictLogDirs(t *testing.T) {
	s := crifake.New(crifake.Options{StrictLogDirs: true, Images: []crifake.Image{{Name: image, Present: true}}})
	rt := s.Client()
	cfg := pod("web")
	cfg.LogDirectory = filepath.Join(t.TempDir(), "missing")
	id := create(t, rt, run(t, rt, cfg), cfg, "main", 0)
	_, err := rt.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: id})
	wantCode(t, err, codes.Unknown)
	wantExit(t, containerStatus(t, rt, id), 128, "StartError")
}
