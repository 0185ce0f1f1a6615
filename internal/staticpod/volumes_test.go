package staticpod

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

func TestPrepareVolumes(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	check(t, os.Mkdir(at("dir"), 0o755))
	check(t, os.WriteFile(at("file"), []byte("x"), 0o600))
	check(t, unix.Mkfifo(at("fifo"), 0o600))
	check(t, os.Symlink(at("dir"), at("link")))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("socket"), Net: "unix"})
	check(t, err)
	defer l.Close()

	const none = ""
	for _, test := range []struct {
		path string
		kind corev1.HostPathType
		err  string // part of it
		mode os.FileMode
	}{
		{at("nothing"), corev1.HostPathUnset, none, 0},
		{at("new/deep"), corev1.HostPathDirectoryOrCreate, none, os.ModeDir | 0o755},
		{at("dir"), corev1.HostPathDirectoryOrCreate, none, os.ModeDir | 0o755},
		{at("file"), corev1.HostPathDirectoryOrCreate, "not a directory", 0},
		{at("dir"), corev1.HostPathDirectory, none, 0},
		{at("link"), corev1.HostPathDirectory, none, 0},
		{at("missing"), corev1.HostPathDirectory, "must be there, type Directory", 0},
		{at("file"), corev1.HostPathDirectory, "is not of type Directory", 0},
		{at("newfile"), corev1.HostPathFileOrCreate, none, 0o644},
		{at("file"), corev1.HostPathFileOrCreate, none, 0o600},
		{at("dir"), corev1.HostPathFileOrCreate, "is a folder, want a file", 0},
		{at("no/parent"), corev1.HostPathFileOrCreate, "no such file", 0},
		{at("file"), corev1.HostPathFile, none, 0},
		{at("dir"), corev1.HostPathFile, "is not of type File", 0},
		{at("socket"), corev1.HostPathSocket, none, 0},
		{at("file"), corev1.HostPathSocket, "is not of type Socket", 0},
		{"/dev/null", corev1.HostPathCharDev, none, 0},
		{at("fifo"), corev1.HostPathCharDev, "is not of type CharDevice", 0},
		{"/dev/null", corev1.HostPathBlockDev, "is not of type BlockDevice", 0},
	} {
		spec := &corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: test.path, Type: &test.kind}}}}}
		for range 2 { // it may be called again at any time
			err := prepareVolumes(spec, place{VolumesDir: at("volumes")})
			switch {
			case test.err == none && err != nil:
				t.Errorf("%s %q: %v", test.path, test.kind, err)
			case test.err != none && (err == nil || !strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), "volume v: ")):
				t.Errorf("%s %q: %v, want %q", test.path, test.kind, err, test.err)
			}
		}
		if test.mode != 0 {
			if st, err := os.Stat(test.path); err != nil || st.Mode() != test.mode {
				t.Errorf("%s: %v %v, want mode %s", test.path, st, err, test.mode)
			}
		}
		if path, err := volumePath(spec, "v", place{}); err != nil || path != test.path {
			t.Errorf("%s: %s %v", test.path, path, err)
		}
	}
	if _, err := os.Stat(at("nothing")); err == nil {
		t.Error("a hostPath of no type was made")
	}
}

func TestEmptyDir(t *testing.T) {
	at := place{VolumesDir: filepath.Join(t.TempDir(), "volumes")}
	spec := &corev1.PodSpec{Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}}
	check(t, prepareVolumes(spec, at))
	path, err := volumePath(spec, "tmp", at)
	check(t, err)
	if st, err := os.Stat(path); err != nil || st.Mode() != os.ModeDir|0o777 || !strings.HasSuffix(path, "/volumes/kubernetes.io~empty-dir/tmp") {
		t.Errorf("%s: %v %v", path, st, err)
	}
	check(t, os.WriteFile(filepath.Join(path, "kept"), nil, 0o600))
	check(t, os.Chmod(path, 0o700)) // what the pod made of it stays
	check(t, prepareVolumes(spec, at))
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o700 {
		t.Errorf("mode %s", st.Mode())
	}
	if _, err := os.Stat(filepath.Join(path, "kept")); err != nil {
		t.Error(err)
	}
	if _, err := volumePath(spec, "other", at); err == nil || !strings.Contains(err.Error(), "not declared") {
		t.Error(err)
	}
	spec.Volumes[0].VolumeSource = corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}
	if _, err := volumePath(spec, "tmp", at); err == nil || !strings.Contains(err.Error(), "not served") {
		t.Error(err)
	}
}
