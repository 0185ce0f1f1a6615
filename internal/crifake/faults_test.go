package crifake_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(crifake.Containerd2())
		rt := s.Client()
		_, web := up(t, rt, "web")
		_, db := up(t, rt, "db")
		release := s.Hang("StopContainer default/web/*")
		if err := stop(t.Context(), rt, db, 1); err != nil {
			t.Errorf("another pod hangs too: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		wantCode(t, stop(ctx, rt, web, 1), codes.DeadlineExceeded)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("hung for %s, want the context's 3s", took)
		}
		if _, ok := s.Running("web", "main"); !ok {
			t.Error("a call that hung had an effect")
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := stop(t.Context(), rt, web, 1); err != nil {
				t.Errorf("released call: %v", err)
			}
		})
		synctest.Wait()
		if n := s.InFlight("StopContainer"); n != 1 {
			t.Errorf("%d in flight, want 1", n)
		}
		release()
		release() // once more is harmless
		wg.Wait()
		wantExit(t, containerStatus(t, rt, web), 0, "Completed")

		s.Hang("*")
		wg.Go(func() {
			_, err := rt.Version(t.Context(), &cri.VersionRequest{})
			wantCode(t, err, codes.Unavailable)
		})
		synctest.Wait()
		s.Down()
		wg.Wait()
	})
}

func TestFailAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(crifake.Containerd2())
		rt := s.Client()
		version := func() error {
			_, err := rt.Version(t.Context(), &cri.VersionRequest{})
			return err
		}
		s.Fail("Ver*", errors.New("boom"), 2)
		wantCode(t, version(), codes.Unknown)
		wantCode(t, version(), codes.Unknown)
		wantCode(t, version(), codes.OK)
		clear := s.Fail("Version", status.Error(codes.PermissionDenied, "no"), -1)
		for range 3 {
			wantCode(t, version(), codes.PermissionDenied)
		}
		clear()
		wantCode(t, version(), codes.OK)

		clear = s.Delay("Version", time.Second)
		begin := time.Now()
		wantCode(t, version(), codes.OK)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %s, want 1s", took)
		}
		clear()
		s.FailAfterEffect("CreateContainer", 1)
		cfg := pod("web")
		_, err := rt.CreateContainer(t.Context(), createRequest(run(t, rt, cfg), cfg, "main", 0))
		wantCode(t, err, codes.DeadlineExceeded)
		if len(s.Containers("web")) != 1 {
			t.Error("the effect is missing")
		}
		if n := s.Count("Version"); n != 8 {
			t.Errorf("%d calls of Version, want 8", n)
		}
	})
}

func TestNothingIsAliased(t *testing.T) {
	s := newServer(crifake.Containerd2())
	rt := s.Client()
	cfg := pod("web")
	run(t, rt, cfg)
	cfg.Labels["pod"] = "changed"
	for range 2 {
		r, err := rt.ListPodSandbox(t.Context(), &cri.ListPodSandboxRequest{})
		if err != nil || r.Items[0].Labels["pod"] != "web" {
			t.Fatalf("got %v, %v", r, err)
		}
		r.Items[0].Labels["pod"] = "changed"
	}
}

func TestExecSync(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(p)
			rt := s.Client()
			_, id := up(t, rt, "web")
			s.OnExec(func(e crifake.Exec) crifake.ExecResult {
				if e.Pod != "web" || e.Container != "main" {
					t.Errorf("exec in %+v", e)
				}
				switch e.Cmd[0] {
				case "slow":
					return crifake.ExecResult{Delay: 20 * time.Second}
				}
				return crifake.ExecResult{Stdout: "out", Code: 4}
			})
			exec := func(cmd string) (*cri.ExecSyncResponse, error) {
				return rt.ExecSync(t.Context(), &cri.ExecSyncRequest{ContainerId: id, Cmd: []string{cmd}, Timeout: 5})
			}
			if r, err := exec("fast"); err != nil || r.ExitCode != 4 || string(r.Stdout) != "out" {
				t.Errorf("got %v, %v", r, err)
			}
			begin := time.Now()
			r, err := exec("slow")
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("took %s, want the timeout's 5s", took)
			}
			if p.Name == "cri-o" {
				if err != nil || r.ExitCode != -1 {
					t.Errorf("timeout on CRI-O: %v, %v", r, err)
				}
			} else {
				wantCode(t, err, codes.DeadlineExceeded)
			}
			time.AfterFunc(time.Second, func() { _ = s.Exit("web/main", 1, "") })
			if r, err := exec("slow"); err != nil || r.ExitCode != 137 {
				t.Errorf("exec in a container that ended: %v, %v", r, err)
			}
			if _, err := exec("fast"); err == nil {
				t.Error("exec in an ended container")
			}
		})
	})
}

func TestImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crifake.New(crifake.Options{Images: []crifake.Image{
			{Name: "busybox", Pull: time.Second, Size: 5},
			{Name: "registry.test:5000/a/b@sha256:00", Present: true, Size: 7},
			{Name: "registry.test/broken", PullErr: errors.New("500")},
		}})
		c := s.Client()
		ref := func(name string) string {
			r, err := c.ImageStatus(t.Context(), &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
			if err != nil {
				t.Fatal(err)
			}
			return r.GetImage().GetId()
		}
		pull := func(ctx context.Context, name string) error {
			_, err := c.PullImage(ctx, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: name}})
			return err
		}
		if ref("busybox") != "" || ref("registry.test:5000/a/b@sha256:00") == "" {
			t.Error("wrong images are present")
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		wantCode(t, pull(short, "busybox"), codes.DeadlineExceeded)
		wantCode(t, pull(t.Context(), "nothing"), codes.NotFound)
		wantCode(t, pull(t.Context(), "registry.test/broken"), codes.Unknown)
		if ref("busybox") != "" {
			t.Error("an interrupted pull stored the image")
		}
		wantCode(t, pull(t.Context(), "busybox:latest"), codes.OK)
		old := ref("docker.io/library/busybox")
		if old == "" || ref(old) != old {
			t.Errorf("id %q", old)
		}
		s.AddImage(crifake.Image{Name: "busybox", Version: "2"})
		if ref("busybox") != old {
			t.Error("the registry changed the store")
		}
		wantCode(t, pull(t.Context(), "busybox"), codes.OK)
		if id := ref("busybox"); id == old || ref(old) != old {
			t.Errorf("id %q after the second pull; the old one must stay, with no tag", id)
		}
		if r, err := c.ListImages(t.Context(), &cri.ListImagesRequest{}); err != nil || len(r.Images) != 3 {
			t.Errorf("images: %v, %v", r, err)
		}
		for range 2 {
			if _, err := c.RemoveImage(t.Context(), &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: old}}); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := c.ImageFsInfo(t.Context(), &cri.ImageFsInfoRequest{}); err != nil || r.ImageFilesystems[0].UsedBytes.Value != 7+1<<20 {
			t.Errorf("image fs: %v, %v", r, err)
		}
	})
}
