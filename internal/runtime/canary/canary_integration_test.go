//go:build integration

package canary

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
	"nodeagent/internal/runtime/oci"
	"nodeagent/internal/view"
)

func everyContainerd(t *testing.T, run func(t *testing.T, l *lab.Lab, conn *grpc.ClientConn, c Config)) {
	for _, binary := range append([]string{"containerd"}, filepath.SplitList(os.Getenv("NODEAGENT_TEST_CONTAINERDS"))...) {
		t.Run(strings.Trim(strings.ReplaceAll(binary, "/", "_"), "_"), func(t *testing.T) {
			program := lab.BuildWorkload(t)
			o := lab.Options{Containerd: binary, Workload: program}
			l := labtest.Start(t, o)
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			c := Config{
				Runtime: "containerd", Version: l.Version(), PauseImage: lab.PauseImage, Dir: filepath.Join(t.TempDir(), "canary"), Program: program,
				Wait: []string{"workload", "pause"}, Exec: []string{"workload", "exec-sleep", "0s"}, StepTimeout: 20 * time.Second, CgroupParent: l.CgroupParent(),
			}
			for i, name := range l.Handlers() {
				path, err := exec.LookPath(name)
				if err != nil {
					t.Fatal(err)
				}
				if own := filepath.Join(l.Dir(), name); name == "crun" {
					if _, err := os.Stat(own); err == nil {
						path = own // through the lab's wrapper
					}
				}
				c.Handlers = append(c.Handlers, oci.Handler{Name: name, Default: i == 0, Binary: path, Type: "io.containerd.runc.v2", Root: filepath.Join(l.Dir(), "oci-canary", name)})
			}
			run(t, l, conn, c)
			nothingLeft(t, conn, c)
		})
	}
}

// nothingLeft holds what a canary may leave against what there is.
func nothingLeft(t *testing.T, conn *grpc.ClientConn, c Config) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pods, err := cri.NewRuntimeServiceClient(conn).ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil || len(pods.Items) != 0 {
		t.Errorf("sandboxes are left: %v %v", pods, err)
	}
	list, err := containersapi.NewContainersClient(conn).List(ours(ctx), &containersapi.ListContainersRequest{})
	if err != nil || len(list.Containers) != 0 {
		t.Errorf("containers are left: %v %v", list, err)
	}
	names, err := namespacesapi.NewNamespacesClient(conn).List(ctx, &namespacesapi.ListNamespacesRequest{})
	for _, n := range names.GetNamespaces() {
		if n.Name == Namespace {
			t.Errorf("the namespace is left")
		}
	}
	if err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(c.Dir, "*")); len(files) > 1 {
		t.Errorf("files are left: %v", files)
	}
	if cgroups, _ := filepath.Glob("/sys/fs/cgroup/*/canary-*"); len(cgroups) > 0 {
		t.Errorf("cgroups are left: %v", cgroups)
	}
}

// foretold is what is said of a handler before any container of it is tried. The lab's wrapper helps against a host's cgroups and not against
// crun's age.
func foretold(t *testing.T, h oci.Handler, containerd string) (string, bool) {
	t.Helper()
	path, err := exec.LookPath(h.Name)
	if err != nil {
		t.Fatal(err)
	}
	var versions oci.Versions
	v := versions.Get(t.Context(), path, "--version", 10*time.Second)
	if v.Err != nil || v.Program != h.Name || v.Version == "" {
		t.Fatalf("%s: %+v", path, v)
	}
	r, refused := oci.Refuses(v, oci.Host{Runtime: "containerd", Version: containerd})
	return r.Message, refused
}

func names(r view.Canary) (out []string) {
	for _, s := range r.Steps {
		out = append(out, s.Name)
	}
	return out
}

func TestRealCanary(t *testing.T) {
	everyContainerd(t, func(t *testing.T, l *lab.Lab, conn *grpc.ClientConn, c Config) {
		for _, here := range []bool{false, true} {
			c.KubeletHere = here
			want, path := []string{"sandbox", "create", "start", "exec", "stop", "remove"}, CRI
			if here {
				want, path = want[1:], Native
			}
			results, err := Run(t.Context(), conn, c)
			if err != nil || len(results) != len(c.Handlers) {
				t.Fatalf("%s: %+v %v", path, results, err)
			}
			for i, r := range results {
				refusal, refused := foretold(t, c.Handlers[i], l.Version())
				switch {
				case r.Path != path:
					t.Errorf("%+v", r)
				case refused && (r.OK || !strings.Contains(r.Error, "unknown version specified")):
					t.Errorf("foretold was %q, and the canary says %+v", refusal, r)
				case !refused && (!r.OK || !slices.Equal(names(r), want)):
					t.Errorf("%+v", r)
				}
				t.Logf("%s %s %v", r.Handler, r.Path, r.Steps)
			}
		}
	})
}

// An OCI runtime that fails is a result, and leaves nothing either.
func TestRealCanaryFails(t *testing.T) {
	everyContainerd(t, func(t *testing.T, l *lab.Lab, conn *grpc.ClientConn, c Config) {
		c.Handlers, c.KubeletHere = c.Handlers[:1], true
		c.Handlers[0].Binary = "/bin/false"
		results, err := Run(t.Context(), conn, c)
		if err != nil || len(results) != 1 || results[0].OK || !strings.HasPrefix(results[0].Error, "create: ") {
			t.Errorf("%+v %v", results, err)
		}
	})
}

// A canary that was killed half-way is removed by the next one.
func TestRealCanarySweeps(t *testing.T) {
	everyContainerd(t, func(t *testing.T, l *lab.Lab, conn *grpc.ClientConn, c Config) {
		c.Handlers = c.Handlers[:1]
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, r := range []runner{newCRI(c, conn), &native{c: c, conn: conn}} {
			for _, s := range r.steps(c.Handlers[0]) {
				if s.end {
					break // here it was killed
				}
				if err := s.do(t.Context()); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
			}
		}
		for _, here := range []bool{false, true} {
			c.KubeletHere = here
			if results, err := Run(t.Context(), conn, c); err != nil || !results[0].OK {
				t.Fatalf("%+v %v", results, err)
			}
		}
	})
}
