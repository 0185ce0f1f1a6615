package volume

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"nodeagent/internal/staticpod/downward"
)

// objects by "Kind/namespace/name".
type objects map[string]map[string]string

// fixture is one pod's volumes below a folder of the test.
type fixture struct {
	Input
	objects objects
	pod     *corev1.Pod
	made    []string
}

func newFixture(t *testing.T, volumes ...corev1.Volume) *fixture {
	t.Helper()
	f := &fixture{objects: objects{}, pod: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Volumes: volumes, Containers: []corev1.Container{{Name: "c"}}},
	}}
	f.Input = Input{
		Dir: filepath.Join(t.TempDir(), "pods", "uid"), Calls: &Calls{},
		Facts: downward.Facts{Pod: f.pod, FullName: "web-n1", Namespace: "default", UID: "uid", NodeName: "n1", CapacityMilliCPU: 2000, CapacityMemory: 1 << 30},
		Made:  func(path string) error { f.made = append(f.made, path); return nil },
		Objects: func(kind, namespace, name string) (map[string][]byte, bool) {
			o, ok := f.objects[kind+"/"+namespace+"/"+name]
			data := map[string][]byte{}
			for k, v := range o {
				data[k] = []byte(v)
			}
			return data, ok
		},
	}
	return f
}

func configMap(name string, items ...corev1.KeyToPath) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items}}}
}

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

func memory(name, size string) corev1.Volume {
	v := emptyDir(name)
	v.EmptyDir.Medium = corev1.StorageMediumMemory
	if size != "" {
		q := resource.MustParse(size)
		v.EmptyDir.SizeLimit = &q
	}
	return v
}

func onHost(name, path string, kind corev1.HostPathType) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wrong holds that err says a thing.
func wrong(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Fatalf("error %v, want %q in it", err, says)
	}
}

func put(t *testing.T, path, content string) string {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}

// listing of a folder: a line an entry, with mode and what a link leads to or a file holds. Stamps of written volumes read ..STAMP.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	check(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		check(t, err)
		st, err := os.Lstat(p)
		check(t, err)
		rel, err := filepath.Rel(dir, p)
		check(t, err)
		line := st.Mode().String() + " " + stampless(rel)
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			check(t, err)
			line = "link " + rel + " -> " + stampless(to)
		case st.Mode().IsRegular():
			line += " = " + read(t, p)
		}
		out = append(out, line)
		return nil
	}))
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func stampless(p string) string {
	if strings.HasPrefix(p, "..2") {
		_, rest, _ := strings.Cut(p, "/")
		return filepath.Join("..STAMP", rest)
	}
	return p
}

func prepare(t *testing.T, f *fixture) {
	t.Helper()
	check(t, Prepare(t.Context(), f.Input))
}

func refresh(ctx context.Context, t *testing.T, f *fixture) []string {
	t.Helper()
	changed, err := Refresh(ctx, f.Input)
	check(t, err)
	return changed
}

func ptr[T any](v T) *T { return &v }
