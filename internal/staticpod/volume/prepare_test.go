package volume

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestHostPath(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put(t, at("file"), "kept")
	check(t, os.Symlink("file", at("link")))
	check(t, syscall.Mkfifo(at("fifo"), 0o600))
	l, err := net.Listen("unix", at("sock"))
	check(t, err)
	defer l.Close()
	tests := []struct {
		kind        corev1.HostPathType
		path, wrong string
		made        fs.FileMode
	}{
		{"", at("none"), "", 0},
		{"", "relative", "is not an absolute path", 0},
		{"", dir + "/x/../y", "or has .. in it", 0},
		{corev1.HostPathDirectory, dir, "", 0},
		{corev1.HostPathDirectory, at("none"), "must be there already", 0},
		{corev1.HostPathDirectory, at("file"), "is not of type Directory", 0},
		{corev1.HostPathDirectoryOrCreate, at("made/deep"), "", fs.ModeDir | 0o755},
		{corev1.HostPathDirectoryOrCreate, at("file"), "not a directory", 0},
		{corev1.HostPathFile, at("file"), "", 0},
		{corev1.HostPathFile, at("link"), "", 0},
		{corev1.HostPathFile, at("fifo"), "is not of type File", 0},
		{corev1.HostPathFileOrCreate, at("new"), "", 0o644},
		{corev1.HostPathFileOrCreate, at("file"), "", 0},
		{corev1.HostPathFileOrCreate, dir, "is a folder", 0},
		{corev1.HostPathFileOrCreate, at("none/new"), "no such file", 0},
		{corev1.HostPathSocket, at("sock"), "", 0},
		{corev1.HostPathSocket, at("file"), "is not of type Socket", 0},
		{corev1.HostPathCharDev, "/dev/null", "", 0},
		{corev1.HostPathBlockDev, "/dev/null", "is not of type BlockDevice", 0},
		{"Odd", dir, `"Odd" is not known`, 0},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind)+" "+filepath.Base(tt.path), func(t *testing.T) {
			f := newFixture(t, onHost("v", tt.path, tt.kind))
			err := Prepare(t.Context(), f.Input)
			if tt.wrong != "" {
				wrong(t, err, tt.wrong)
				wrong(t, err, "volume v: ")
				return
			}
			check(t, err)
			check(t, Prepare(t.Context(), f.Input))
			if tt.made != 0 {
				if st, err := os.Stat(tt.path); err != nil || st.Mode() != tt.made {
					t.Errorf("made %v, %v", st.Mode(), err)
				}
			}
		})
	}
	if read(t, at("file")) != "kept" {
		t.Error("a file that was there is changed")
	}
}

func TestAHungHostPathIsAnError(t *testing.T) {
	f := newFixture(t, onHost("nfs", "/nonexistent/nfs", corev1.HostPathDirectory), emptyDir("tmp"))
	hang := make(chan struct{})
	defer close(hang)
	waits := make(chan struct{})
	go do(t.Context(), f.Calls, "/nonexistent/nfs", func() (int, error) { close(waits); <-hang; return 0, nil }, nil)
	<-waits
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := Prepare(ctx, f.Input)
	wrong(t, err, "volume nfs: /nonexistent/nfs does not answer")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestPrepareSaysEverything(t *testing.T) {
	f := newFixture(t, onHost("a", "/nonexistent", corev1.HostPathFile), configMap("b"), emptyDir("c"), corev1.Volume{Name: "d"})
	err := Prepare(t.Context(), f.Input)
	for _, w := range []string{"volume a: ", "volume b: ConfigMap default/b is not there", "volume d: its kind is not served"} {
		wrong(t, err, w)
	}
	if st, err := os.Stat(filepath.Join(f.Dir, "volumes/kubernetes.io~empty-dir/c")); err != nil || !st.IsDir() {
		t.Error("the good volume is not made")
	}
}

func TestBadInput(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/"} {
		wrong(t, Prepare(t.Context(), newFixture(t, emptyDir(name)).Input), "can't be the name of a folder")
	}
	for _, dir := range []string{"", "x", "/", "/a/../b", "/a/"} {
		f := newFixture(t)
		f.Dir = dir
		wrong(t, Prepare(t.Context(), f.Input), "is not a clean absolute path")
		if err := Remove(dir); err == nil {
			t.Errorf("Remove(%q) says nothing", dir)
		}
	}
	f := newFixture(t)
	f.Calls = nil
	wrong(t, Prepare(t.Context(), f.Input), "Calls")
}

func TestPrepareStopsWithItsContext(t *testing.T) {
	f := newFixture(t, emptyDir("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Prepare(ctx, f.Input); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestEmptyDir(t *testing.T) {
	umask := unix.Umask(0o077)
	defer unix.Umask(umask)
	own := emptyDir("own")
	own.EmptyDir.Mode = ptr(int32(0o1750))
	f := newFixture(t, emptyDir("a"), own)
	prepare(t, f)
	a, o := f.path(&f.pod.Spec.Volumes[0]), f.path(&f.pod.Spec.Volumes[1])
	if st, err := os.Stat(a); err != nil || st.Mode() != fs.ModeDir|0o777 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if st, err := os.Stat(o); err != nil || st.Mode() != fs.ModeDir|fs.ModeSticky|0o750 {
		t.Errorf("own mode %v, %v", st.Mode(), err)
	}
	// What a container makes of it stays, as of a database that closes its folder to others.
	put(t, filepath.Join(a, "data"), "1")
	check(t, os.Chmod(a, 0o700))
	prepare(t, f)
	if st, err := os.Stat(a); err != nil || st.Mode() != fs.ModeDir|0o700 || read(t, filepath.Join(a, "data")) != "1" {
		t.Errorf("mode after a restart %v, %v", st.Mode(), err)
	}
	check(t, os.RemoveAll(a))
	prepare(t, f)
	if st, err := os.Stat(a); err != nil || st.Mode() != fs.ModeDir|0o777 {
		t.Errorf("mode when made again %v, %v", st.Mode(), err)
	}
}

func TestFSGroup(t *testing.T) {
	f := newFixture(t, emptyDir("a"), configMap("web"))
	f.objects["ConfigMap/default/web"] = map[string]string{"k": "v"}
	prepare(t, f)
	a, w := f.path(&f.pod.Spec.Volumes[0]), f.path(&f.pod.Spec.Volumes[1])
	outside := put(t, filepath.Join(t.TempDir(), "precious"), "x")
	check(t, os.Chmod(outside, 0o600))
	check(t, os.Symlink(outside, filepath.Join(a, "link")))
	check(t, os.Chmod(put(t, filepath.Join(a, "sub/file"), ""), 0o600))
	check(t, os.Chmod(filepath.Join(a, "sub"), 0o700))
	f.pod.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: ptr(int64(os.Getgid()))}
	prepare(t, f)
	for path, want := range map[string]fs.FileMode{
		a: fs.ModeDir | fs.ModeSetgid | 0o777, filepath.Join(a, "sub"): fs.ModeDir | fs.ModeSetgid | 0o770, filepath.Join(a, "sub/file"): 0o660,
		outside: 0o600, w: fs.ModeDir | fs.ModeSetgid | 0o755, filepath.Join(w, "k"): 0o644,
	} {
		if st, err := os.Stat(path); err != nil || st.Mode() != want {
			t.Errorf("%s is %v, %v, want %v", path, st.Mode(), err, want)
		}
	}
	// Given once: the walk over a large volume does not come with every restart, nor undoes what the container did.
	check(t, os.Chmod(filepath.Join(a, "sub/file"), 0o600))
	prepare(t, f)
	if st, err := os.Stat(filepath.Join(a, "sub/file")); err != nil || st.Mode() != 0o600 {
		t.Errorf("a restart changed the mode to %v, %v", st.Mode(), err)
	}
	// OnRootMismatch looks at the top only, even where the group has not been given by us yet.
	check(t, os.RemoveAll(filepath.Join(f.Dir, "plugins")))
	f.pod.Spec.SecurityContext.FSGroupChangePolicy = ptr(corev1.FSGroupChangeOnRootMismatch)
	check(t, os.Chmod(a, 0o777|fs.ModeSetgid))
	check(t, f.own(a, int64(os.Getgid())))
	if st, err := os.Stat(filepath.Join(a, "sub/file")); err != nil || st.Mode() != 0o600 {
		t.Errorf("OnRootMismatch walked: %v, %v", st.Mode(), err)
	}
	check(t, os.Chmod(a, 0o777))
	check(t, f.own(a, int64(os.Getgid())))
	if st, err := os.Stat(filepath.Join(a, "sub/file")); err != nil || st.Mode() != 0o660 {
		t.Errorf("OnRootMismatch did not walk: %v, %v", st.Mode(), err)
	}
}

func TestRefresh(t *testing.T) {
	f := newFixture(t, configMap("a"), configMap("b"), emptyDir("c"), configMap("d"))
	f.objects["ConfigMap/default/a"] = map[string]string{"k": "1", "old": "x"}
	f.objects["ConfigMap/default/b"] = map[string]string{"k": "1"}
	if changed := refresh(t.Context(), t, f); len(changed) != 0 {
		t.Errorf("volumes that are not made yet changed: %v", changed)
	}
	wrong(t, Prepare(t.Context(), f.Input), "ConfigMap default/d is not there")
	if changed := refresh(t.Context(), t, f); len(changed) != 0 {
		t.Errorf("equal volumes changed: %v", changed)
	}
	f.objects["ConfigMap/default/a"] = map[string]string{"k": "2"}
	if changed := refresh(t.Context(), t, f); len(changed) != 1 || changed[0] != "a" {
		t.Errorf("changed: %v", changed)
	}
	a := f.path(&f.pod.Spec.Volumes[0])
	if _, err := os.Lstat(filepath.Join(a, "old")); !errors.Is(err, fs.ErrNotExist) || read(t, filepath.Join(a, "k")) != "2" {
		t.Errorf("the volume is not the new one: %v", err)
	}
	delete(f.objects, "ConfigMap/default/a")
	f.objects["ConfigMap/default/b"]["k"] = "3"
	changed, err := Refresh(t.Context(), f.Input)
	if m, ok := errors.AsType[Missing](err); !ok || m.Name != "a" || len(changed) != 1 || changed[0] != "b" {
		t.Errorf("changed %v, error %v", changed, err)
	}
	if read(t, filepath.Join(a, "k")) != "2" {
		t.Error("a volume whose object is gone lost what it had")
	}
}

func TestMemorySize(t *testing.T) {
	c := func(limit string) corev1.Container {
		if limit == "" {
			return corev1.Container{}
		}
		return corev1.Container{Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse(limit)}}}
	}
	sidecar := func(limit string) corev1.Container {
		s := c(limit)
		s.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
		return s
	}
	tests := map[string]struct {
		init, main []corev1.Container
		own        string
		node, want int64
	}{
		"nothing known":           {main: []corev1.Container{c("")}},
		"the node's":              {main: []corev1.Container{c("1Ki"), c("")}, node: 9 << 10, want: 9 << 10},
		"the pod's":               {main: []corev1.Container{c("1Ki"), c("2Ki")}, node: 9 << 10, want: 3 << 10},
		"the volume's":            {main: []corev1.Container{c("4Ki")}, own: "1Ki", node: 9 << 10, want: 1 << 10},
		"a volume above the pod":  {main: []corev1.Container{c("4Ki")}, own: "8Ki", node: 9 << 10, want: 4 << 10},
		"a volume of 0":           {main: []corev1.Container{c("")}, own: "0", node: 9 << 10, want: 9 << 10},
		"an init container":       {init: []corev1.Container{c("5Ki")}, main: []corev1.Container{c("2Ki")}, node: math.MaxInt64, want: 5 << 10},
		"init with sidecar":       {init: []corev1.Container{sidecar("1Ki"), c("5Ki")}, main: []corev1.Container{c("2Ki")}, want: 6 << 10},
		"main with sidecars":      {init: []corev1.Container{sidecar("1Ki"), c("1Ki"), sidecar("1Ki")}, main: []corev1.Container{c("2Ki")}, want: 4 << 10},
		"a sidecar with no limit": {init: []corev1.Container{sidecar("")}, main: []corev1.Container{c("2Ki")}, node: 7, want: 7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var own *resource.Quantity
			if tt.own != "" {
				own = ptr(resource.MustParse(tt.own))
			}
			if got := memorySize(&corev1.PodSpec{InitContainers: tt.init, Containers: tt.main}, own, tt.node); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	f := newFixture(t, configMap("web", corev1.KeyToPath{Key: "k", Path: strings.Repeat("x", 300)}))
	f.objects["ConfigMap/default/web"] = map[string]string{"k": "hunter2"}
	err := Prepare(t.Context(), f.Input)
	wrong(t, err, "longer than 255")
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the content is in the error")
	}
}
