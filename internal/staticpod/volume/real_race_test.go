//go:build integration

package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/downward"
)

// A container that swaps a folder of its volume with links to the node's must never get more than an error or what is in the volume.
func TestSubPathRace(t *testing.T) {
	f, top := real(t, emptyDir("data"))
	prepare(t, f)
	v := f.volume("data")
	check(t, os.MkdirAll(filepath.Join(v, "a/sub"), 0o777))
	put(t, filepath.Join(v, "a/sub/inside"), "")
	outside := filepath.Join(top, "outside")
	put(t, filepath.Join(outside, "sub/secret"), "")
	check(t, os.Symlink("/", filepath.Join(v, "l1")))
	check(t, os.Symlink(outside, filepath.Join(v, "l2")))
	check(t, os.Symlink("../../../../../outside", filepath.Join(v, "l3")))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		fd, err := unix.Open(v, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			link := fmt.Sprint("l", 1+i%3)
			unix.Renameat2(fd, "a", fd, link, unix.RENAME_EXCHANGE)
			unix.Renameat2(fd, "a", fd, link, unix.RENAME_EXCHANGE)
		}
	})
	descriptors := openDescriptors(t)
	refused, inside := 0, 0
	for i := range 4000 {
		sub := []string{"a/sub", "a/new/er"}[i%2]
		mounts, err := Mounts(t.Context(), f.Input, subPath("data", sub, ""))
		if err != nil {
			refused++
			if i%2 == 1 {
				os.RemoveAll(filepath.Join(v, "a/new"))
			}
			continue
		}
		entries, err := os.ReadDir(mounts[0].HostPath)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i%2 == 0 && len(entries) == 1 && entries[0].Name() == "inside", i%2 == 1 && len(entries) == 0:
			inside++
		default:
			t.Fatalf("%s leads to %v", sub, entries)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d inside, %d refused", inside, refused)
	if n := openDescriptors(t); n > descriptors+8 { // the Go runtime may open some of its own
		t.Errorf("%d descriptors are open, %d before", n, descriptors)
	}
	if inside == 0 || refused == 0 {
		t.Errorf("no race was run: %d inside, %d refused", inside, refused)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("something is made outside: %v, %v", entries, err)
	}
	if _, err := os.Lstat("/new"); err == nil {
		t.Error("something is made in /")
	}
	check(t, Remove(f.Dir))
	gone(t, f.Dir)
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}

// A reader that opens ..data once sees one version's files, and each file is always whole.
func TestSwapIsNeverTorn(t *testing.T) {
	f, _ := real(t, configMap("conf"))
	set := func(n int) {
		text := strings.Repeat(fmt.Sprintf("%06d\n", n), 2000)
		f.objects["ConfigMap/default/conf"] = map[string]string{"a": text, "b": text}
	}
	set(0)
	prepare(t, f)
	v := f.volume("conf")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	reads := 0
	wg.Go(func() {
		whole := func(b []byte) bool { return len(b) == 14000 && strings.Count(string(b), string(b[:7])) == 2000 }
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := os.Readlink(filepath.Join(v, dataLink)); err != nil {
				t.Errorf("there is a moment with no data: %v", err)
				return
			}
			b, err := os.ReadFile(filepath.Join(v, "a"))
			if err == nil && !whole(b) || err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("torn: %d bytes, %v", len(b), err)
				return
			}
			data, err := os.OpenRoot(filepath.Join(v, dataLink))
			if err != nil {
				continue // removed between the link and the folder it led to
			}
			one, err1 := data.ReadFile("a")
			two, err2 := data.ReadFile("b")
			data.Close()
			if err1 == nil && err2 == nil {
				reads++
				if string(one) != string(two) || !whole(one) {
					t.Error("files of two versions together")
					return
				}
			}
		}
	})
	for n := range 500 {
		set(n + 1)
		if changed := refresh(t.Context(), t, f); len(changed) != 1 {
			t.Errorf("changed: %v", changed)
		}
	}
	close(stop)
	wg.Wait()
	if reads == 0 {
		t.Error("nothing was read")
	}
}

func TestContainersOfOnePodPrepareAtOnce(t *testing.T) {
	f, _ := real(t, memory("cache", ""), secret("tls"), configMap("conf"), emptyDir("data"))
	f.objects["Secret/default/tls"] = map[string]string{"key": "K"}
	f.objects["ConfigMap/default/conf"] = map[string]string{"k": "v"}
	f.pod.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: ptr(int64(4711))}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := subPath("data", "x", "")
			c.Name = fmt.Sprint("c", i)
			err := Prepare(t.Context(), f.Input)
			if err == nil {
				_, err = Mounts(t.Context(), Input{Dir: f.Dir, Objects: f.Objects, Facts: f.Facts, Calls: f.Calls, Made: func(string) error { return nil }}, c)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(f.made) != 2 {
		t.Errorf("mounted: %v", f.made)
	}
	check(t, Remove(f.Dir))
	gone(t, f.Dir)
}

// BenchmarkRestart is what the volumes cost each start of a container whose volumes are there already.
func BenchmarkRestart(b *testing.B) {
	dir := b.TempDir()
	f := &fixture{objects: objects{"Secret/default/tls": {"key": "K"}, "ConfigMap/default/conf": {"k": "v"}}, pod: &corev1.Pod{}}
	f.pod.Spec.Volumes = []corev1.Volume{memory("cache", "1Mi"), secret("tls"), configMap("conf"), emptyDir("data"), onHost("host", dir, corev1.HostPathDirectory)}
	in := Input{Dir: filepath.Join(dir, "uid"), Calls: &Calls{}, Facts: downward.Facts{Pod: f.pod, Namespace: "default"}, Made: func(string) error { return nil },
		Objects: func(kind, namespace, name string) (map[string][]byte, bool) {
			data := map[string][]byte{}
			for k, v := range f.objects[kind+"/"+namespace+"/"+name] {
				data[k] = []byte(v)
			}
			return data, true
		}}
	b.Cleanup(func() {
		if err := Remove(in.Dir); err != nil {
			b.Error(err)
		}
	})
	for b.Loop() {
		if err := Prepare(b.Context(), in); err != nil {
			b.Fatal(err)
		}
		if _, err := Mounts(b.Context(), in, subPath("data", "x", "")); err != nil {
			b.Fatal(err)
		}
	}
}

// A file system whose server never answers: what NFS does when its server is gone.
func TestADeadFileSystemHoldsUpNothingElse(t *testing.T) {
	dead := filepath.Join(sharedFolder(t), "dead")
	check(t, os.Mkdir(dead, 0o755))
	server, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	check(t, err)
	var closing sync.Once
	answer := func() { closing.Do(func() { unix.Close(server) }) } // the kernel then fails what waits
	t.Cleanup(answer)
	check(t, unix.Mount("dead", dead, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server)))

	f, _ := real(t, onHost("nfs", dead+"/sub", corev1.HostPathDirectory), onHost("free", dead+"/free", ""), emptyDir("data"))
	bounded := func(call func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return call(ctx)
	}
	for range 3 {
		err := bounded(func(ctx context.Context) error { return Prepare(ctx, f.Input) })
		wrong(t, err, "volume nfs: "+dead+"/sub does not answer")
		if strings.Contains(err.Error(), f.Dir) {
			t.Errorf("what answers is blamed too: %v", err)
		}
		wrong(t, bounded(func(ctx context.Context) error {
			_, err := Mounts(ctx, f.Input, subPath("free", "x", ""))
			return err
		}), dead+"/free does not answer")
	}
	f.Calls.mu.Lock()
	n := len(f.Calls.running)
	f.Calls.mu.Unlock()
	if n != 2 {
		t.Errorf("%d goroutines hang on two paths", n)
	}
	f.pod.Spec.Volumes = f.pod.Spec.Volumes[2:]
	prepare(t, f)
	mountOne(t, f, subPath("data", "x", ""))
	answer()
	f.pod.Spec.Volumes = []corev1.Volume{onHost("nfs", dead+"/sub", corev1.HostPathDirectory)}
	wrong(t, Prepare(t.Context(), f.Input), "must be there already")
}
