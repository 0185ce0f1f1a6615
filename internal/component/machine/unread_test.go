package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreadComesAndGoes: what can't be found out is unknown with its reason, and known again as soon as it can.
func TestUnreadComesAndGoes(t *testing.T) {
	root := t.TempDir()
	cfg := Config{Root: root}
	forbids := Kubelet{Here: true, FailSwapOn: true, ForwardingSeen: true, ProtectKernel: true}
	folder := filepath.Join(root, "var/lib/etcd")
	see := func() map[string]string {
		out := map[string]string{}
		for _, l := range Look(t.Context(), cfg, Deps{Kubelet: func() Kubelet { return forbids }, Folders: func() []Folder { return []Folder{{"etcd", folder}} }}) {
			for _, f := range l.Findings {
				if f.Subject == "" || f.Subject == folder || f.Subject == "kernel.panic" {
					out[l.Of.Name] = short(f)
				}
			}
		}
		return out
	}
	want := func(when, swap, disk, kernel string) {
		t.Helper()
		got := see()
		if got["Swap"] != swap || got["Filesystems"] != disk || got["Kernel"] != kernel {
			t.Errorf("%s: swap %s, disk %s, kernel %s; want %s, %s, %s", when, got["Swap"], got["Filesystems"], got["Kernel"], swap, disk, kernel)
		}
	}
	for range 2 {
		write(t, root, "/proc/swaps/none", "") // a folder
		write(t, root, "/var/lib", "a file")
		write(t, root, "/proc/sys/kernel/panic/none", "")
		want("unread", "unknown/NotRead", "unknown/Unreadable", "unknown/Unreadable")
		for _, p := range []string{"proc", "var"} {
			if err := os.RemoveAll(filepath.Join(root, p)); err != nil {
				t.Fatal(err)
			}
		}
		write(t, root, "/proc/swaps", "Filename Type\n")
		write(t, root, "/proc/sys/kernel/panic", "10\n")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if got := see()["Filesystems"]; strings.Contains(got, "unknown") {
			t.Errorf("a folder that is there: %s", got)
		}
		want("read", "ok", see()["Filesystems"], "ok")
		for _, p := range []string{"proc", "var"} {
			if err := os.RemoveAll(filepath.Join(root, p)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestInotifyNotAsked: where the agent can open no file more, it is not the machine's inotify that is used up.
func TestInotifyNotAsked(t *testing.T) {
	if os.Getenv("FEW_FILES") != "" {
		var was unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
		before := short(judgeInotify(tryInotify(), ""))
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
		during := short(judgeInotify(tryInotify(), ""))
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
		fmt.Println("saw", during, before == short(judgeInotify(tryInotify(), "")))
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestInotifyNotAsked$", "-test.v")
	cmd.Env = append(os.Environ(), "FEW_FILES=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "saw unknown/NotAsked true\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
