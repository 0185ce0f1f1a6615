package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, root, path, content string) {
	t.Helper()
	p := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func kernelOf(root string, k Kubelet) string {
	var got []string
	for _, f := range lookKernel(Config{Root: root}.filled(), k, &disks{}) {
		got = append(got, f.Subject+" "+short(f))
	}
	return strings.Join(got, ", ")
}

func TestKernel(t *testing.T) {
	root := t.TempDir()
	if got := kernelOf(root, Kubelet{}); got != " absent" {
		t.Errorf("a machine that needs nothing: %s", got)
	}
	here := Kubelet{Here: true}
	if got := kernelOf(root, here); got != "net.ipv4.ip_forward unknown/Unreadable" {
		t.Errorf("a setting that is not there: %s", got)
	}
	write(t, root, "/proc/sys/net/ipv4/ip_forward", "0\n")
	if got := kernelOf(root, here); got != "net.ipv4.ip_forward failing/Setting" {
		t.Errorf("forwarding is off: %s", got)
	}
	here.ForwardingSeen = true
	if got := kernelOf(root, here); got != " absent" {
		t.Errorf("what another judges: %s", got)
	}
	for _, w := range protected {
		write(t, root, "/proc/sys/"+strings.ReplaceAll(w.name, ".", "/"), w.value+"\n")
	}
	write(t, root, "/proc/sys/kernel/panic", "0\n")
	here.ProtectKernel = true
	if got := kernelOf(root, here); strings.Count(got, " ok") != len(protected)-1 || !strings.Contains(got, "kernel.panic failing/Setting") {
		t.Errorf("protectKernelDefaults: %s", got)
	}
}

func TestModules(t *testing.T) {
	root := t.TempDir()
	cfg := Config{Root: root}.filled()
	const release = "6.1.0-44-amd64"
	judge := func() string {
		return short(judgeModule("overlay", loaded(cfg, "overlay"), readModulesOf(cfg, release)))
	}
	if got := judge(); got != "failing/ModulesGone" {
		t.Errorf("the kernel's modules are gone: %s", got)
	}
	write(t, root, "/lib/modules/"+release+"/modules.dep", "kernel/net/bridge/br-netfilter.ko.xz: kernel/net/bridge/bridge.ko\n")
	if got := judge(); got != "failing/ModuleMissing" {
		t.Errorf("a kernel without it: %s", got)
	}
	if m := readModulesOf(cfg, release); !m.known["br_netfilter"] {
		t.Errorf("known: %v", m.known)
	}
	write(t, root, "/lib/modules/"+release+"/modules.builtin", "kernel/fs/overlayfs/overlay.ko\n")
	if got := judge(); got != "ok" {
		t.Errorf("built in: %s", got)
	}
	os.RemoveAll(filepath.Join(root, "lib"))
	write(t, root, "/proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\text4\n")
	if got := judge(); got != "ok" {
		t.Errorf("loaded: %s", got)
	}
	if got := needed(cfg, &disks{}); got != nil {
		t.Errorf("no runtime with overlays: %v", got)
	}
	write(t, root, "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs", "")
	if got := needed(cfg, &disks{}); strings.Join(got, " ") != "overlay" {
		t.Errorf("needed: %v", got)
	}
}

func TestMounts(t *testing.T) {
	got := parseMounts(strings.NewReader(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 8:17 / /var/lib/etcd rw,relatime shared:2 master:3 - ext4 /dev/sdb1 ro
24 22 8:1 /usr /usr ro,relatime - ext4 /dev/sda1 rw,errors=remount-ro
torn 22 8
`))
	if m := got[unix.Mkdev(8, 1)]; m.readOnly || m.source != "/dev/sda1" {
		t.Errorf("a read-only mount of a file system that takes writes: %+v", m)
	}
	if m := got[unix.Mkdev(8, 17)]; !m.readOnly || len(got) != 2 {
		t.Errorf("read-only file system: %+v of %d", m, len(got))
	}
}

func FuzzMounts(f *testing.F) {
	f.Add("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
	f.Add("1 2 3:4 a b c - - - -")
	f.Fuzz(func(t *testing.T, s string) {
		parseMounts(strings.NewReader(s))
		parseSwaps(s)
	})
}

// TestDeadMount holds a look to its deadline, and one question at a time to a file system that does not answer.
func TestDeadMount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan string, 10)
		release := make(chan struct{})
		d := &disks{statfs: func(path string) disk {
			asked <- path
			if path == "/dead" {
				<-release
			}
			return disk{device: 1, bytes: 10, free: 10}
		}}
		for range 3 {
			began := time.Now()
			got := d.get([]string{"/dead", "/live"}, 3*time.Second)
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("took %v", took)
			}
			if !got["/dead"].hung || got["/live"].err != nil {
				t.Errorf("%+v", got)
			}
		}
		if len(asked) != 4 { // once the dead one, three times the other
			t.Errorf("%d questions", len(asked))
		}
		close(release)
		if got := d.get([]string{"/dead"}, time.Second); got["/dead"].err != nil {
			t.Errorf("after the mount came back: %+v", got)
		}
	})
}

// TestThisMachine asks the kernel itself: the numbers are what they are, and every condition is answered.
func TestThisMachine(t *testing.T) {
	folder := t.TempDir()
	got := Look(t.Context(), Config{}, Deps{
		Kubelet: func() Kubelet { return Kubelet{Here: true, FailSwapOn: true} },
		Folders: func() []Folder { return []Folder{{"test", folder}, {"none", folder + "/none"}} },
	})
	if len(got) != len(Conditions()) {
		t.Fatalf("%d looks", len(got))
	}
	for i, l := range got {
		if l.Of != Conditions()[i] || len(l.Findings) == 0 || l.Valid <= 0 {
			t.Errorf("%s: %+v", l.Of.Name, l)
		}
	}
	if f := got[1].Findings; len(f) != 1 || f[0].Subject != folder || f[0].Status.String() == "unknown" {
		t.Errorf("file systems: %+v", f)
	}
	before := openFiles(t)
	if i := tryInotify(); i.err != nil || i.left < 1 {
		t.Errorf("inotify: %+v", i)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files open before, %d after", before, after)
	}
}

// TestDeadStore: a store on a disk that hangs holds up a look for its deadline, and is taken for one in use.
func TestDeadStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		asked := make(chan string, 10)
		d := &disks{list: func(path string) bool { asked <- path; <-release; return false }}
		for range 3 {
			began := time.Now()
			if !d.holds("/store", 3*time.Second) || time.Since(began) != 3*time.Second {
				t.Errorf("it took %v", time.Since(began))
			}
		}
		close(release)
		synctest.Wait()
		if d.holds("/store", time.Second) || len(asked) != 1 {
			t.Errorf("after it came back; asked %d times", len(asked))
		}
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func BenchmarkLook(b *testing.B) {
	deps := Deps{
		Kubelet: func() Kubelet { return Kubelet{Here: true, FailSwapOn: true, ProtectKernel: true} },
		Folders: func() []Folder { return []Folder{{"a", "/var"}, {"b", "/var/log"}, {"c", "/tmp"}, {"d", "/"}} },
	}
	var d disks
	for b.Loop() {
		looks(b.Context(), Config{}.filled(), deps, &d, &timedate{})
	}
}
