package canary

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"nodeagent/internal/crifake"
	"nodeagent/internal/runtime/oci"
)

func config(t *testing.T) Config {
	return Config{
		Runtime: "containerd", PauseImage: "pause:1", Handlers: []oci.Handler{{Name: "runc", Default: true}}, Dir: t.TempDir(), Program: "/program",
		Wait: []string{"wait"}, Exec: []string{"exec"}, StepTimeout: time.Second, CgroupParent: "/test",
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		runtime   string
		kubelet   bool
		image     string
		path, off string
	}{
		{"containerd", false, "p", CRI, ""}, {"cri-o", false, "p", CRI, ""}, {"containerd", true, "", Native, ""},
		{"cri-o", true, "p", "", "a kubelet is here"}, {"containerd", false, "", "", "does not tell its pause image"},
	} {
		path, off := Config{Runtime: c.runtime, KubeletHere: c.kubelet, PauseImage: c.image}.path()
		if path != c.path || !strings.Contains(off, c.off) || (off == "") != (c.off == "") {
			t.Errorf("%+v: %q %q", c, path, off)
		}
	}
}

func TestOffAndFailing(t *testing.T) {
	fake := crifake.New(crifake.Options{Images: []crifake.Image{{Name: "pause:1"}}})
	conn := fake.Conn()
	c := config(t)
	results, err := Run(t.Context(), conn, c)
	if err != nil || len(results) != 1 || !strings.Contains(results[0].Off, "is not on the node") {
		t.Fatalf("without its image: %+v %v", results, err)
	}
	fake.AddImage(crifake.Image{Name: "pause:1", Present: true})
	fake.OnExec(func(crifake.Exec) crifake.ExecResult { return crifake.ExecResult{} })
	if results, err = Run(t.Context(), conn, c); err != nil || !results[0].OK || len(results[0].Steps) != 6 {
		t.Fatalf("well: %+v %v", results, err)
	}
	for method, step := range map[string]string{"RunPodSandbox": "sandbox", "CreateContainer": "create", "StartContainer": "start", "ExecSync": "exec"} {
		clear := fake.Fail(method, status.Error(codes.Internal, "broken"), -1)
		if results, err = Run(t.Context(), conn, c); err != nil || results[0].Error != step+": broken" {
			t.Errorf("%s: %+v %v", method, results, err)
		}
		clear()
	}
	// The caller gives up while a step hangs: what was made is removed all the same.
	fake.Hang("StartContainer")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if results, err = Run(ctx, conn, c); !errors.Is(err, context.DeadlineExceeded) || results[0].OK {
		t.Errorf("given up: %+v %v", results, err)
	}
	fake.ClearFaults()
	if n := fake.Count("RunPodSandbox"); n < 5 {
		t.Errorf("%d sandboxes were run", n)
	}
	if results, err = Run(t.Context(), conn, c); err != nil || !results[0].OK {
		t.Errorf("afterwards: %+v %v", results, err)
	}
}

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); !errors.Is(err, ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	unlock()
	again, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestSpecVersion(t *testing.T) {
	for containerd, want := range map[string]string{"1.6.20~ds1": "1.0.2", "1.7.24": "1.1.0", "v2.0.0-rc.1": "1.2.0", "2.4.2+unknown": "1.2.0", "": "1.0.2", "dev": "1.0.2"} {
		if got := specVersion(containerd); got != want {
			t.Errorf("containerd %q writes %s, want %s", containerd, got, want)
		}
	}
}
