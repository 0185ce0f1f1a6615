//go:build integration

package podlogs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

// TestRealContainerd: a container writes as fast as it can while its log is rotated again and again; a follower, and a reader afterwards, get
// each line once and in order, one of several pieces among them.
func TestRealContainerd(t *testing.T) {
	const last = 200000
	var data strings.Builder
	long := strings.Repeat("x", 100<<10)
	for i := 1; i <= last; i++ {
		fmt.Fprintf(&data, "line %d\n", i)
		if i == last/2 {
			data.WriteString(long + "\n")
		}
	}
	text := filepath.Join(t.TempDir(), "text")
	write(t, text, data.String())

	l := labtest.Start(t, lab.Options{})
	// It stays: containerd 1.6 may drop what is in the pipe of a container that ends.
	image := l.WorkloadImage("lab.invalid/podlogs:1", "print-file", "--stay", "/text")
	image.Files["/text"] = text
	must(t, l.Import(t.Context(), image))
	conn, err := l.Dial()
	must(t, err)
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pod := filepath.Join(l.PodLogs(), "default_print_u1")
	dir := filepath.Join(pod, "print")
	must(t, os.MkdirAll(dir, 0o755))
	node := &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
	sandbox := &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: "print", Uid: "u1", Namespace: "default"}, LogDirectory: pod,
		Linux: &cri.LinuxPodSandboxConfig{CgroupParent: l.CgroupParent(), SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: node}}}
	ran, err := client.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandbox})
	must(t, err)
	made, err := client.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: ran.PodSandboxId, SandboxConfig: sandbox, Config: &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "print"}, Image: &cri.ImageSpec{Image: image.Name}, LogPath: "print/0.log",
		Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: node}}}})
	must(t, err)

	f := startFollow(t, Options{Dir: dir, Follow: true, Tail: -1})
	path := filepath.Join(dir, "0.log")
	reopened := 0
	r := NewRotator(Deps{Log: zap.NewNop(), Config: func() Config { return Config{MaxSize: 200 << 10, MaxFiles: 10000} },
		Logs: func() []Log { return []Log{{made.ContainerId, path}} },
		Reopen: func(ctx context.Context, id string) error {
			_, err := client.ReopenContainerLog(ctx, &cri.ReopenContainerLogRequest{ContainerId: id})
			if err == nil {
				reopened++
			}
			return err
		}})
	rotated := make(chan error, 1)
	stop, stopped := context.WithCancel(t.Context())
	defer stopped()
	_, err = client.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId})
	must(t, err)
	go func() {
		for stop.Err() == nil {
			if _, err := r.look(t.Context()); err != nil {
				rotated <- err
				return
			}
			clear(r.logs) // nothing is put off
		}
		_, err := r.tidyUp(t.Context())
		rotated <- err
	}()
	for i := 1; i <= last; i++ {
		f.want(t, fmt.Sprint("line ", i))
		if i == last/2 {
			f.want(t, long)
		}
	}
	stopped()
	must(t, <-rotated)
	lines, err := read(t, Options{Dir: dir, Tail: -1})
	if err != nil || texts(lines) != strings.ReplaceAll(data.String(), "\n", "|") {
		t.Errorf("%d lines afterwards, %v", len(lines), err)
	}
	gz := 0
	for _, n := range names(t, dir) {
		if strings.HasSuffix(n, gzSuffix) {
			gz++
		}
	}
	t.Logf("%d rotations, %d files compressed", reopened, gz)
	if reopened < 2 || gz < 1 {
		t.Error("too few rotations to show anything")
	}
}
