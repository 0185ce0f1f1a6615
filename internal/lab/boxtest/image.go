package boxtest

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Sleeper is an image that does nothing for ever; the box's containerd has it as its pause image too (testdata/containerd.toml).
const Sleeper = "127.0.0.1:5000/pause:1"

// images is an archive with the image, and the program in it, made once for all tests.
var images struct {
	sync.Mutex
	archive, program string
}

// Workload is the program that containers of the tests run.
func Workload(t *testing.T) string {
	t.Helper()
	images.Lock()
	defer images.Unlock()
	if images.program == "" {
		path := filepath.Join(scratch, "workload")
		Compile(t, path, "nodeagent/internal/lab/workload/cmd", "build")
		images.program = path
	}
	return images.program
}

// ImageArchive is a file for `ctr images import`.
func ImageArchive(t *testing.T) string {
	t.Helper()
	program := Workload(t)
	images.Lock()
	defer images.Unlock()
	if images.archive == "" {
		path := filepath.Join(scratch, "images.tar")
		if err := archive(t, program, path); err != nil {
			t.Fatal(err)
		}
		images.archive = path
	}
	return images.archive
}

// Compile makes a program for a box, which has no compiler, by "build" or "test -c".
func Compile(t *testing.T, to, pkg string, by ...string) {
	t.Helper()
	Command(t, []string{"CGO_ENABLED=0"}, "go", append(by, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", to, pkg)...)
}

func archive(t *testing.T, program, to string) error {
	t.Helper()
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "workload", Mode: 0o755, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(b.Bytes(), types.DockerUncompressedLayer))
	if err != nil {
		return err
	}
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, RootFS: mustRootFS(t, image),
		Config: v1.Config{Entrypoint: []string{"/workload", "workload"}, Cmd: []string{"pause"}}})
	if err != nil {
		return err
	}
	tag, err := name.NewTag(Sleeper)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(to, tag, image)
}

func mustRootFS(t *testing.T, image v1.Image) v1.RootFS {
	t.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.RootFS
}
