//go:build integration

package volume

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// Mounts of the node below a subPath come and go with the node, and stay when the pod goes.
func TestRemoveKeepsTheNodesOwnMounts(t *testing.T) {
	for _, p := range []corev1.MountPropagationMode{"", corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional} {
		t.Run(string(p), func(t *testing.T) {
			f, _ := real(t)
			data := filepath.Join(sharedFolder(t), "data")
			disk := filepath.Join(data, "sub", "disk")
			check(t, os.MkdirAll(disk, 0o755))
			f.pod.Spec.Volumes = []corev1.Volume{onHost("host", data, "")}
			prepare(t, f)
			m := mountOne(t, f, subPath("host", "sub", p))
			check(t, unix.Mount("tmpfs", disk, "tmpfs", 0, ""))
			put(t, filepath.Join(disk, "precious"), "stays")
			if read(t, filepath.Join(m.HostPath, "disk/precious")) != "stays" {
				t.Error("a mount of the node does not reach the container's copy")
			}
			mountOne(t, f, subPath("host", "sub", p))
			if len(f.made) != 1 {
				t.Errorf("a mount that is right is made anew: %v", f.made)
			}
			check(t, Remove(f.Dir))
			gone(t, f.Dir)
			if !isMounted(t, disk) || read(t, filepath.Join(disk, "precious")) != "stays" {
				t.Error("the node's own mount is gone")
			}
			// The same when a copy is replaced.
			check(t, unix.Unmount(disk, 0))
			m = mountOne(t, f, subPath("host", "sub", p))
			check(t, unix.Mount("tmpfs", disk, "tmpfs", 0, ""))
			put(t, filepath.Join(disk, "precious"), "stays")
			read(t, filepath.Join(m.HostPath, "disk/precious"))
			check(t, os.Mkdir(filepath.Join(data, "sub2"), 0o755))
			mountOne(t, f, subPath("host", "sub2", p))
			if !isMounted(t, disk) || read(t, filepath.Join(disk, "precious")) != "stays" {
				t.Error("the node's own mount is gone with the earlier copy")
			}
			check(t, Remove(f.Dir))
		})
	}
}

func TestRemoveIsSafeWithBinds(t *testing.T) {
	top := sharedFolder(t)
	precious := filepath.Join(top, "precious")
	pod := filepath.Join(top, "pods/uid")
	at := func(name string) string { return filepath.Join(pod, name) }
	put(t, filepath.Join(precious, "data"), "stays")
	for _, d := range []string{"volumes/e/mnt", "volumes/e/mnt 2", "volume-subpaths/v/c/0", "stack"} {
		check(t, os.MkdirAll(at(d), 0o755))
	}
	file := put(t, at("volume-subpaths/v/c/1"), "")
	bind := func(from, to string) { t.Helper(); check(t, unix.Mount(from, to, "", unix.MS_BIND, "")) }
	bind(precious, at("volumes/e/mnt")) // the same file system: only the kernel knows that it is a mount
	bind(precious, at("volumes/e/mnt 2"))
	bind(precious, at("volume-subpaths/v/c/0"))
	bind(filepath.Join(precious, "data"), file)
	check(t, unix.Mount("tmpfs", at("stack"), "tmpfs", 0, ""))
	check(t, os.Mkdir(at("stack/hidden"), 0o755))
	bind(precious, at("stack/hidden"))
	check(t, unix.Mount("tmpfs", at("stack"), "tmpfs", 0, "")) // hides the bind

	busy, err := os.Open(at("volumes/e/mnt"))
	check(t, err)
	defer busy.Close()
	check(t, Remove(pod))
	gone(t, pod)
	if entries, err := os.ReadDir(precious); err != nil || len(entries) != 1 || read(t, filepath.Join(precious, "data")) != "stays" {
		t.Errorf("the bound folder holds %v, %v", entries, err)
	}
}

// The tree's removal is the last line of defence: with a mount that nobody saw it stops before it.
func TestTheTreesRemovalEntersNoMount(t *testing.T) {
	top := sharedFolder(t)
	precious := filepath.Join(top, "precious")
	put(t, filepath.Join(precious, "data"), "stays")
	for _, at := range []string{"pod/a/mnt", "pod/file", "pod"} {
		check(t, os.RemoveAll(filepath.Join(top, "pod")))
		from, to := precious, filepath.Join(top, at)
		if at == "pod/file" {
			from = filepath.Join(precious, "data")
			put(t, to, "")
		} else {
			check(t, os.MkdirAll(to, 0o755))
		}
		check(t, unix.Mount(from, to, "", unix.MS_BIND, ""))
		parent, err := openFolder(top)
		check(t, err)
		wrong(t, removeFolder(parent, "pod"), "is a mount point")
		parent.Close()
		if read(t, filepath.Join(precious, "data")) != "stays" {
			t.Fatal("the bound folder's data is gone")
		}
		if at == "pod" {
			wrong(t, Remove(to), "itself is a mount point")
		}
		check(t, unix.Unmount(to, unix.MNT_DETACH))
	}
}

func TestSweepAfterABoot(t *testing.T) {
	f, top := real(t, memory("cache", ""), emptyDir("data"))
	prepare(t, f)
	mountOne(t, f, subPath("data", "x", ""))
	kept := f.Dir
	f.Dir = filepath.Join(top, "pods", "stale")
	prepare(t, f)
	mountOne(t, f, subPath("data", "x", ""))
	// The folder of the state may be reached through a link; mountinfo tells the real names.
	link := filepath.Join(t.TempDir(), "state")
	check(t, os.Symlink(top, link))
	check(t, Sweep(filepath.Join(link, "pods"), func(uid string) bool { return uid == "uid" }))
	gone(t, filepath.Join(top, "pods", "stale"))
	f.Dir = kept
	if !isMounted(t, f.volume("cache")) || !isMounted(t, filepath.Join(kept, "volume-subpaths/data/c/0")) {
		t.Error("a pod that is kept lost its mounts")
	}
}
