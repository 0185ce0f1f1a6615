//go:build integration

package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// real is a fixture on a file system of its own, whose mounts are shared with their copies as a booted node's are. Whatever a test leaves
// mounted goes with it.
func real(t *testing.T, volumes ...corev1.Volume) (f *fixture, top string) {
	t.Helper()
	top = sharedFolder(t)
	f = newFixture(t, volumes...)
	f.Dir = filepath.Join(top, "pods", "uid")
	return f, top
}

func sharedFolder(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("the tests over real mounts need root")
	}
	top := t.TempDir()
	check(t, unix.Mount("tmpfs", top, "tmpfs", 0, "size=64m"))
	t.Cleanup(func() {
		check(t, unix.Mount("", top, "", unix.MS_PRIVATE|unix.MS_REC, ""))
		check(t, unix.Unmount(top, unix.MNT_DETACH))
	})
	check(t, unix.Mount("", top, "", unix.MS_SHARED, ""))
	return top
}

func (f *fixture) volume(name string) string {
	for i := range f.pod.Spec.Volumes {
		if v := &f.pod.Spec.Volumes[i]; v.Name == name {
			return f.path(v)
		}
	}
	return ""
}

func isMounted(t *testing.T, path string) bool {
	t.Helper()
	is, err := mounted(path)
	check(t, err)
	return is
}

func secret(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name, DefaultMode: ptr(int32(0o400))}}}
}

func bytesOf(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Statfs_t
	check(t, unix.Statfs(path, &st))
	return int64(st.Blocks) * int64(st.Bsize)
}

func TestMemoryVolumes(t *testing.T) {
	f, _ := real(t, memory("cache", "1Mi"), secret("tls"), memory("rest", ""))
	f.objects["Secret/default/tls"] = map[string]string{"key": "K"}
	f.pod.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: ptr(int64(4711))}
	prepare(t, f)
	cache, tls := f.volume("cache"), f.volume("tls")
	for _, path := range []string{cache, tls, f.volume("rest")} {
		if !isMounted(t, path) {
			t.Fatalf("%s is not mounted", path)
		}
	}
	if len(f.made) != 3 {
		t.Errorf("mounts remembered: %v", f.made)
	}
	if n := bytesOf(t, cache); n != 1<<20 {
		t.Errorf("the size is %d", n)
	}
	if n := bytesOf(t, f.volume("rest")); n != 1<<30 {
		t.Errorf("with no limit the size is %d, want the node's", n)
	}
	if err := os.WriteFile(filepath.Join(cache, "big"), make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("more than the size can be written: %v", err)
	}
	check(t, os.Remove(filepath.Join(cache, "big")))
	var st unix.Stat_t
	check(t, unix.Stat(cache, &st))
	if st.Gid != 4711 || st.Mode&0o7777 != 0o3777 {
		t.Errorf("group %d, mode %o", st.Gid, st.Mode&0o7777)
	}
	check(t, unix.Stat(filepath.Join(tls, "key"), &st))
	if st.Gid != 4711 || st.Mode&0o7777 != 0o440 {
		t.Errorf("of the secret: group %d, mode %o", st.Gid, st.Mode&0o7777)
	}

	// Again: nothing is mounted twice and nothing is lost. A new size is taken over with the content.
	put(t, filepath.Join(cache, "kept"), "1")
	f.pod.Spec.Volumes[0] = memory("cache", "2Mi")
	prepare(t, f)
	if len(f.made) != 3 || read(t, filepath.Join(cache, "kept")) != "1" || bytesOf(t, cache) != 2<<20 {
		t.Errorf("made %v, size %d", f.made, bytesOf(t, cache))
	}

	// After a boot the folders are there and the mounts are not.
	check(t, unix.Unmount(cache, 0))
	check(t, unix.Unmount(tls, 0))
	prepare(t, f)
	if !isMounted(t, cache) || !isMounted(t, tls) || read(t, filepath.Join(tls, "key")) != "K" {
		t.Error("what a boot took is not made again")
	}
	check(t, unix.Stat(cache, &st))
	if st.Gid != 4711 || st.Mode&0o7777 != 0o3777 {
		t.Errorf("after a boot: group %d, mode %o", st.Gid, st.Mode&0o7777)
	}

	// Nothing of a secret is on the disk below, also not after a refresh while its mount is lost.
	check(t, unix.Unmount(tls, 0))
	f.objects["Secret/default/tls"]["key"] = "L"
	if changed := refresh(t.Context(), t, f); len(changed) != 1 || read(t, filepath.Join(tls, "key")) != "L" {
		t.Errorf("changed %v", changed)
	}
	check(t, unix.Unmount(tls, 0))
	if entries, err := os.ReadDir(tls); err != nil || len(entries) != 0 {
		t.Errorf("the disk holds %v, %v", entries, err)
	}

	// A change of medium.
	f.pod.Spec.Volumes[0] = emptyDir("cache")
	prepare(t, f)
	if isMounted(t, cache) {
		t.Error("the volume stays in memory")
	}
	check(t, Remove(f.Dir))
	gone(t, f.Dir)
}

func TestAForeignMountIsRefused(t *testing.T) {
	f, _ := real(t, secret("tls"))
	f.objects["Secret/default/tls"] = map[string]string{"key": "K"}
	check(t, os.MkdirAll(f.volume("tls"), 0o755))
	check(t, unix.Mount("/proc", f.volume("tls"), "", unix.MS_BIND, ""))
	wrong(t, Prepare(t.Context(), f.Input), "something else is mounted on")
}

func TestAMountThatIsNotRememberedIsNotMade(t *testing.T) {
	f, _ := real(t, memory("cache", ""), onHost("host", sharedFolder(t), ""))
	f.Made = func(string) error { return errors.New("the disk is full") }
	wrong(t, Prepare(t.Context(), f.Input), "the disk is full")
	if isMounted(t, f.volume("cache")) {
		t.Error("it is mounted")
	}
	_, err := Mounts(t.Context(), f.Input, subPath("host", ".", ""))
	wrong(t, err, "the disk is full")
	if below, err := mountsBelow(f.Dir); err != nil || len(below) != 0 {
		t.Errorf("mounted: %v, %v", below, err)
	}
}

func subPath(volume, sub string, p corev1.MountPropagationMode) *corev1.Container {
	m := corev1.VolumeMount{Name: volume, MountPath: "/x", SubPath: sub}
	if p != "" {
		m.MountPropagation = &p
	}
	return &corev1.Container{Name: "c", VolumeMounts: []corev1.VolumeMount{m}}
}

func mountOne(t *testing.T, f *fixture, c *corev1.Container) *cri.Mount {
	t.Helper()
	mounts, err := Mounts(t.Context(), f.Input, c)
	check(t, err)
	return mounts[0]
}

func TestSubPaths(t *testing.T) {
	f, top := real(t, emptyDir("data"), configMap("conf"))
	data := filepath.Join(top, "other")
	check(t, os.Mkdir(data, 0o755))
	f.pod.Spec.Volumes = append(f.pod.Spec.Volumes, onHost("host", data, ""))
	f.objects["ConfigMap/default/conf"] = map[string]string{"app.conf": "1"}
	prepare(t, f)

	m := mountOne(t, f, subPath("data", "a/b", ""))
	if m.HostPath != filepath.Join(f.Dir, "volume-subpaths/data/c/0") || m.Readonly {
		t.Errorf("mount %v", m)
	}
	put(t, filepath.Join(f.volume("data"), "a/b/file"), "1")
	if read(t, filepath.Join(m.HostPath, "file")) != "1" {
		t.Error("the mount shows something else")
	}
	again := mountOne(t, f, subPath("data", "a/b", ""))
	if again.HostPath != m.HostPath || len(f.made) != 1 {
		t.Errorf("a mount that is right is made anew: %v", f.made)
	}
	check(t, os.Rename(filepath.Join(f.volume("data"), "a/b"), filepath.Join(f.volume("data"), "old")))
	mountOne(t, f, subPath("data", "a/b", ""))
	if entries, err := os.ReadDir(m.HostPath); err != nil || len(entries) != 0 || len(f.made) != 2 {
		t.Errorf("the mount of another folder stays: %v, %v, %v", entries, err, f.made)
	}

	// A file of a configMap: what it was when the container was made, and the new one for the next attempt.
	c := subPath("conf", "app.conf", "")
	m = mountOne(t, f, c)
	if !m.Readonly || read(t, m.HostPath) != "1" {
		t.Errorf("mount %v", m)
	}
	f.objects["ConfigMap/default/conf"]["app.conf"] = "2"
	refresh(t.Context(), t, f)
	if got := read(t, m.HostPath); got != "1" {
		t.Errorf("the subPath's content became %q", got)
	}
	if got := read(t, mountOne(t, f, c).HostPath); got != "2" {
		t.Errorf("the next attempt sees %q", got)
	}
	// A file where a folder was, at the same place.
	mountOne(t, f, subPath("conf", ".", ""))
	mountOne(t, f, c)

	// Optional and missing: a folder, as under kubelet, which gives way when the key comes.
	opt := configMap("late")
	opt.ConfigMap.Optional = ptr(true)
	f.pod.Spec.Volumes = append(f.pod.Spec.Volumes, opt)
	prepare(t, f)
	mountOne(t, f, subPath("late", "k", ""))
	f.objects["ConfigMap/default/late"] = map[string]string{"k": "v"}
	refresh(t.Context(), t, f)
	if got := read(t, mountOne(t, f, subPath("late", "k", "")).HostPath); got != "v" {
		t.Errorf("it is %q", got)
	}
	check(t, Remove(f.Dir))
	gone(t, f.Dir)
}
