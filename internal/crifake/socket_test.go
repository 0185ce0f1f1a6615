package crifake_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

func dial(t *testing.T, socket string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSocketLifecycle(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		s := newServer(p)
		socket := s.Serve(t)
		rt := cri.NewRuntimeServiceClient(dial(t, socket))
		sandbox, id := up(t, rt, "web")
		release := s.Hang("Status")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := rt.Status(ctx, &cri.StatusRequest{})
		wantCode(t, err, codes.DeadlineExceeded)
		release()

		if p.Name != "containerd-1.6" {
			st := subscribe(t, t.Context(), rt)
			if e, err := st.Recv(); err != nil || e.PodSandboxStatus.Id != sandbox {
				t.Errorf("first event: %v, %v", e, err)
			}
		}
		s.Down()
		_, err = rt.Version(t.Context(), &cri.VersionRequest{})
		wantCode(t, err, codes.Unavailable)
		s.Up()
		// a new connection: the old one waits out gRPC's back-off
		rt = cri.NewRuntimeServiceClient(dial(t, socket))
		if err := stop(t.Context(), rt, id, 5); err != nil {
			t.Fatal(err)
		}
		wantExit(t, containerStatus(t, rt, id), 0, "Completed")
		if _, err := rt.RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: sandbox}); err != nil {
			t.Fatal(err)
		}
		if r, err := rt.ListPodSandbox(t.Context(), &cri.ListPodSandboxRequest{}); err != nil || len(r.Items) != 0 {
			t.Errorf("left: %v, %v", r, err)
		}
	})
}

func TestRealProcesses(t *testing.T) {
	s := crifake.New(crifake.Options{RealProcesses: true, Images: []crifake.Image{{Name: image, Present: true}}})
	s.Serve(t)
	rt := s.Client()
	_, id := up(t, rt, "web")
	ended := make(chan string, 3)
	s.OnExit(func(id string, _ int) { ended <- id })

	pid := verbosePid(t, rt, id)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000); n != 1 || err != nil {
		t.Fatalf("pidfd: %d, %v", n, err)
	}
	<-ended
	wantExit(t, containerStatus(t, rt, id), 137, "Error")

	_, told := up(t, rt, "told")
	if err := s.Exit("told/main", 7, "Odd"); err != nil {
		t.Fatal(err)
	}
	<-ended
	wantExit(t, containerStatus(t, rt, told), 7, "Odd")

	_, stopped := up(t, rt, "stopped")
	if err := stop(t.Context(), rt, stopped, 10); err != nil {
		t.Fatal(err)
	}
	wantExit(t, containerStatus(t, rt, stopped), 0, "Completed")

	_, last := up(t, rt, "last")
	pid = verbosePid(t, rt, last)
	s.Close()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d survived Close: %v", pid, err)
	}
}
