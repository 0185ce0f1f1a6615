package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

func TestMountsOfAContainer(t *testing.T) {
	f := newFixture(t, emptyDir("data"), configMap("conf"), onHost("host", "/srv/x", ""))
	c := &corev1.Container{Name: "c", VolumeMounts: []corev1.VolumeMount{
		{Name: "data", MountPath: "/var/lib/app/cache/"},
		{Name: "host", MountPath: "/", MountPropagation: ptr(corev1.MountPropagationHostToContainer)},
		{Name: "conf", MountPath: "etc"},
		{Name: "host", MountPath: "/var", ReadOnly: true, MountPropagation: ptr(corev1.MountPropagationBidirectional)},
		{Name: "data", MountPath: "/opt", MountPropagation: ptr(corev1.MountPropagationNone)},
	}}
	mounts, err := Mounts(t.Context(), f.Input, c)
	check(t, err)
	var got []string
	for _, m := range mounts {
		got = append(got, fmt.Sprint(m.ContainerPath, " ", strings.TrimPrefix(m.HostPath, f.Dir), " ", m.Readonly, " ", m.Propagation))
	}
	want := strings.TrimSpace(`
/ /srv/x false PROPAGATION_HOST_TO_CONTAINER
/etc /volumes/kubernetes.io~configmap/conf true PROPAGATION_PRIVATE
/var /srv/x true PROPAGATION_BIDIRECTIONAL
/opt /volumes/kubernetes.io~empty-dir/data false PROPAGATION_PRIVATE
/var/lib/app/cache/ /volumes/kubernetes.io~empty-dir/data false PROPAGATION_PRIVATE`)
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func TestMountsThatAreRefused(t *testing.T) {
	tests := map[string]corev1.VolumeMount{
		"not declared":                {Name: "none"},
		"kind is not served":          {Name: "odd"},
		"subPathExpr is not served":   {Name: "data", SubPathExpr: "$(X)"},
		"recursiveReadOnly Enabled":   {Name: "data", RecursiveReadOnly: ptr(corev1.RecursiveReadOnlyEnabled)},
		"bindMountOptions are not":    {Name: "data", BindMountOptions: []string{"noexec"}},
		`mountPropagation "Odd" is`:   {Name: "data", MountPropagation: ptr(corev1.MountPropagationMode("Odd"))},
		`subPath "../x" must`:         {Name: "data", SubPath: "../x"},
		`subPath "/etc" must`:         {Name: "data", SubPath: "/etc"},
		`the volume has no file "kk"`: {Name: "conf", SubPath: "kk"},
		"needs a volume that is a fo": {Name: "file", SubPath: "x"},
	}
	for says, m := range tests {
		t.Run(says, func(t *testing.T) {
			f := newFixture(t, emptyDir("data"), corev1.Volume{Name: "odd"}, configMap("conf"))
			f.objects["ConfigMap/default/conf"] = map[string]string{"k": "v"}
			f.pod.Spec.Volumes = f.pod.Spec.Volumes[:1]
			prepare(t, f)
			f.pod.Spec.Volumes = append(f.pod.Spec.Volumes, configMap("conf"), onHost("file", put(t, filepath.Join(t.TempDir(), "f"), ""), ""))
			prepare(t, f)
			f.pod.Spec.Volumes = append(f.pod.Spec.Volumes, corev1.Volume{Name: "odd"})
			m.MountPath = "/x"
			_, err := Mounts(t.Context(), f.Input, &corev1.Container{Name: "c", VolumeMounts: []corev1.VolumeMount{m}})
			wrong(t, err, says)
			wrong(t, err, "at /x in container c: ")
			if len(f.made) > 0 {
				t.Errorf("mounts are made: %v", f.made)
			}
		})
	}
	_, err := Mounts(t.Context(), newFixture(t).Input, &corev1.Container{Name: "../c"})
	wrong(t, err, "container name")
}

func TestOpenSubPath(t *testing.T) {
	top := t.TempDir()
	v := filepath.Join(top, "volume")
	put(t, filepath.Join(top, "outside/secret"), "")
	put(t, filepath.Join(v, "dir/file"), "")
	for link, to := range map[string]string{
		"inside": "dir", "dir/up": "../dir/file", "out": "../outside", "abs-in": filepath.Join(v, "dir"), "abs-out": "/etc", "loop": "loop", "dangling": "nothing",
		"dir/deep-out": "../../outside/secret", "abs-via-out": filepath.Join(top, "outside/../volume/dir"), "proc": "/proc/self/root/etc", "out-and-in": "../volume/dir",
	} {
		check(t, os.Symlink(to, filepath.Join(v, link)))
	}
	tests := []struct{ sub, is, wrong string }{
		{sub: "dir", is: "dir"},
		{sub: ".", is: "."},
		{sub: "dir/file", is: "dir/file"},
		{sub: "inside/file", is: "dir/file"},
		{sub: "dir/up", is: "dir/file"},
		{sub: "abs-in", is: "dir"},
		{sub: "abs-in/file", is: "dir/file"},
		{sub: "abs-via-out", is: "dir"},
		{sub: "out-and-in", is: "dir"},
		{sub: "new", is: "new"},
		{sub: "inside/new/er", is: "dir/new/er"},
		{sub: "out", wrong: "leads out of its volume"},
		{sub: "out/secret", wrong: "leads out of its volume"},
		{sub: "out/new", wrong: "leads out of its volume"},
		{sub: "abs-out", wrong: "leads out of its volume"},
		{sub: "abs-out/new", wrong: "leads out of its volume"},
		{sub: "proc", wrong: "leads out of its volume"},
		{sub: "dir/deep-out", wrong: "leads out of its volume"},
		{sub: "loop", wrong: "leads out of its volume"},
		{sub: "dangling", wrong: "subPath dangling: "},
		{sub: "dangling/x", wrong: "subPath dangling/x: "},
		{sub: "dir/file/x", wrong: "not a directory"},
		{sub: "..", wrong: "must be relative and stay"},
		{sub: "dir/../../outside", wrong: "must be relative and stay"},
	}
	for _, tt := range tests {
		t.Run(tt.sub, func(t *testing.T) {
			f, err := openSubPath(v, tt.sub, true)
			if tt.wrong != "" {
				wrong(t, err, tt.wrong)
				return
			}
			check(t, err)
			defer f.Close()
			have, err := stat(f)
			check(t, err)
			var want unix.Stat_t
			check(t, unix.Lstat(filepath.Join(v, tt.is), &want))
			if have.Ino != want.Ino {
				t.Errorf("another file than %s is open", tt.is)
			}
		})
	}
	if entries, err := os.ReadDir(filepath.Join(top, "outside")); err != nil || len(entries) != 1 {
		t.Errorf("something is made outside: %v, %v", entries, err)
	}
	if _, err := openSubPath(v, "absent", false); !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Errorf("error %v", err)
	}
}

func TestANewSubPathHasTheVolumesMode(t *testing.T) {
	v := t.TempDir()
	check(t, os.Chmod(v, 0o775|os.ModeSetgid))
	f, err := openSubPath(v, "a/b", true)
	check(t, err)
	defer f.Close()
	for _, p := range []string{"a", "a/b"} {
		if st, err := os.Stat(filepath.Join(v, p)); err != nil || st.Mode() != os.ModeDir|os.ModeSetgid|0o775 {
			t.Errorf("%s is %v, %v", p, st.Mode(), err)
		}
	}
}
