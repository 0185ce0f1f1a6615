package boxtest

import (
	"path/filepath"
	"sync"
	"testing"

	"nodeagent/internal/lab"
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
		image := lab.Image{Name: Sleeper, Files: map[string]string{"/workload": program}, Entrypoint: []string{"/workload", "workload"}, Cmd: []string{"pause"}}
		if err := lab.WriteArchive(path, image); err != nil {
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
