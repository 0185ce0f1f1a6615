package netcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFlanneldSince: the youngest flanneld of this network namespace counts, and one whose namespace can't be read.
func TestFlanneldSince(t *testing.T) {
	for _, c := range []struct {
		name      string
		processes map[int]process
		age       time.Duration // 0: none is seen
	}{
		{"none", map[int]process{10: {"kubelet", "net:[1]", 100}}, 0},
		{"one", map[int]process{10: {"flanneld", "net:[1]", 90_000}}, 100 * time.Second},
		{"the younger of two", map[int]process{10: {"flanneld", "net:[1]", 50_000}, 11: {"flanneld", "net:[1]", 99_000}}, 10 * time.Second},
		{"another node's", map[int]process{10: {"flanneld", "net:[2]", 99_000}}, 0},
		{"beside another node's", map[int]process{10: {"flanneld", "net:[2]", 99_000}, 11: {"flanneld", "net:[1]", 90_000}}, 100 * time.Second},
		{"of a namespace that may not be read", map[int]process{10: {"flanneld", "", 90_000}}, 100 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			proc := procOf(t, c.processes)
			since := flanneldSince(proc, "")
			if since.IsZero() != (c.age == 0) {
				t.Fatalf("since %v, want an age of %v", since, c.age)
			}
			if age := time.Since(since); c.age > 0 && (age < c.age || age > c.age+time.Minute) {
				t.Errorf("its age is %v, want %v", age, c.age)
			}
		})
	}
}

type process struct {
	comm, ns string // empty ns: it may not be read
	ticks    int
}

// procOf is a proc file system of a machine that booted 1,000 s ago, in whose namespace net:[1] we are.
func procOf(t *testing.T, processes map[int]process) string {
	t.Helper()
	proc := t.TempDir()
	at := func(name string) string {
		t.Helper()
		path := filepath.Join(proc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) {
		t.Helper()
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	write("uptime", "1000.00 1.00\n")
	link("self/ns/net", "net:[1]")
	for pid, p := range processes {
		write(fmt.Sprintf("%d/comm", pid), p.comm+"\n")
		write(fmt.Sprintf("%d/stat", pid), fmt.Sprintf("%d (%s) S 1%s %d 0 0", pid, p.comm, strings.Repeat(" 0", 17), p.ticks))
		if p.ns != "" {
			link(fmt.Sprintf("%d/ns/net", pid), p.ns)
		}
	}
	return proc
}
