package procs

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestApart(t *testing.T) {
	proc := t.TempDir()
	link := func(who, to string) {
		dir := filepath.Join(proc, who, "ns")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, "net")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Apart(proc, 7, "net"); err == nil {
		t.Error("this process has no namespace, and nothing is said")
	}
	link("self", "net:[1]")
	link("7", "net:[1]")
	link("8", "net:[2]")
	for pid, want := range map[int]bool{7: false, 8: true} {
		if apart, err := Apart(proc, pid, "net"); err != nil || apart != want {
			t.Errorf("%d: %v, %v", pid, apart, err)
		}
	}
	if _, err := Apart(proc, 9, "net"); err == nil {
		t.Error("a process that is not there has a namespace")
	}
	if apart, err := Apart("/proc", os.Getpid(), "pid"); err != nil || apart {
		t.Errorf("this very process (%s): %v, %v", strconv.Itoa(os.Getpid()), apart, err)
	}
}
