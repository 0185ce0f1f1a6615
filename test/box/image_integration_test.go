//go:build integration

package box

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// sleeper is an image that does nothing for ever; the box's containerd has it as its pause image too (testdata/containerd.toml).
const sleeper = "127.0.0.1:5000/pause:1"

// writeImage makes an archive with the image.
func writeImage(t *testing.T) string {
	t.Helper()
	program, to := filepath.Join(t.TempDir(), "workload"), filepath.Join(t.TempDir(), "images.tar")
	command(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./internal/lab/workload/cmd")
	if err := archive(t, program, to); err != nil {
		t.Fatal(err)
	}
	return to
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
	tag, err := name.NewTag(sleeper)
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
