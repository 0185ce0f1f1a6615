package crifake_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

func TestPersonalities(t *testing.T) {
	tests := []struct {
		p             crifake.Personality
		name, version string
		runtimeConfig codes.Code
		conditions    int
		lostCode      int32
		lostReason    string
		handler       string // shown when runc was asked for
		noUserImage   codes.Code
	}{
		{crifake.Containerd16(), "containerd", "1.6.20", codes.Unimplemented, 2, 255, "Unknown", "runc", codes.OK},
		{crifake.Containerd17(), "containerd", "1.7.24", codes.Unimplemented, 2, 255, "Unknown", "runc", codes.OK},
		{crifake.Containerd2(), "containerd", "2.4.2", codes.OK, 3, 255, "Unknown", "runc", codes.OK},
		{crifake.CRIO(), "cri-o", "1.34.0", codes.OK, 2, 137, "Error", "", codes.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.p.Name, func(t *testing.T) {
			s := newServer(tt.p)
			rt := s.Client()
			v, err := rt.Version(t.Context(), &cri.VersionRequest{})
			if err != nil || v.RuntimeName != tt.name || v.RuntimeVersion != tt.version || v.RuntimeApiVersion != "v1" {
				t.Errorf("Version: %v, %v", v, err)
			}
			_, err = rt.RuntimeConfig(t.Context(), &cri.RuntimeConfigRequest{})
			wantCode(t, err, tt.runtimeConfig)
			st, err := rt.Status(t.Context(), &cri.StatusRequest{Verbose: true})
			if err != nil || len(st.Status.Conditions) != tt.conditions || !json.Valid([]byte(st.Info["config"])) {
				t.Errorf("Status: %v, %v", st, err)
			}

			p := pod("web")
			r, err := rt.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: p, RuntimeHandler: "runc"})
			if err != nil {
				t.Fatal(err)
			}
			ps, err := rt.PodSandboxStatus(t.Context(), &cri.PodSandboxStatusRequest{PodSandboxId: r.PodSandboxId})
			if err != nil || ps.Status.RuntimeHandler != tt.handler {
				t.Errorf("handler %q, %v; want %q", ps.GetStatus().GetRuntimeHandler(), err, tt.handler)
			}

			req := createRequest(r.PodSandboxId, p, "other", 0)
			req.Config.Image.UserSpecifiedImage = ""
			_, err = rt.CreateContainer(t.Context(), req)
			wantCode(t, err, tt.noUserImage)

			id := create(t, rt, r.PodSandboxId, p, "main", 0)
			start(t, rt, id)
			s.Down()
			if err := s.Exit("web/main", 137, ""); err != nil {
				t.Fatal(err)
			}
			_, err = rt.ListContainers(t.Context(), &cri.ListContainersRequest{})
			wantCode(t, err, codes.Unavailable)
			s.Up()
			wantExit(t, containerStatus(t, rt, id), tt.lostCode, tt.lostReason)
		})
	}
}

func TestStartFailure(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		s := newServer(p)
		rt := s.Client()
		missing := status.Error(codes.Unknown, `exec: "nope": executable file not found in $PATH`)
		s.Behave("web/main", crifake.Behaviour{StartErr: missing})
		cfg := pod("web")
		sandbox := run(t, rt, cfg)
		r, err := rt.CreateContainer(t.Context(), createRequest(sandbox, cfg, "main", 0))
		if p.Name == "cri-o" {
			wantCode(t, err, codes.Unknown)
			if len(s.Containers("web")) != 0 {
				t.Error("a container whose create failed is there")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = rt.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: r.ContainerId})
		wantCode(t, err, codes.Unknown)
		st := containerStatus(t, rt, r.ContainerId)
		wantExit(t, st, 128, "StartError")
		if st.StartedAt != 0 || st.FinishedAt == 0 {
			t.Errorf("started %d, finished %d", st.StartedAt, st.FinishedAt)
		}
	})
}

func TestRealisticDelays(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		synctest.Test(t, func(t *testing.T) {
			s := crifake.New(crifake.Options{Personality: p, RealisticDelays: true, Images: []crifake.Image{{Name: image, Present: true}}})
			rt := s.Client()
			begin := time.Now()
			_, id := up(t, rt, "web")
			if got, want := time.Since(begin), p.Delays.RunPodSandbox+p.Delays.CreateContainer+p.Delays.StartContainer; got != want {
				t.Errorf("a pod took %s, want %s", got, want)
			}
			// the pidfd's moment comes before the runtime's
			told := false
			s.OnExit(func(cid string, pid int) {
				told = cid == id && pid > 4194304
				if st := containerStatus(t, rt, id); st.State != cri.ContainerState_CONTAINER_RUNNING {
					t.Errorf("runtime knew at once: %s", st.State)
				}
			})
			if err := s.OOM("default/web/main"); err != nil {
				t.Fatal(err)
			}
			if !told {
				t.Error("OnExit was not called")
			}
			time.Sleep(p.Delays.Exit)
			synctest.Wait()
			wantExit(t, containerStatus(t, rt, id), 137, "OOMKilled")
		})
	})
}
