package keepalive

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"nodeagent/internal/procs"
)

// TestFinder: what runs is looked at, and all processes are searched only where something may have changed.
func TestFinder(t *testing.T) {
	dir := proc(t, map[string][2]string{"1": {"systemd", stat("1", "systemd", "S", "0", "1")}})
	f := &finder{table: procs.New(dir)}
	now := time.Now()
	set := func(pid, text string) {
		t.Helper()
		d := filepath.Join(dir, pid)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"comm": "keepalived\n", "stat": text} {
			if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	find := func(when string, configured bool, want ...int) []Process {
		t.Helper()
		got, err := f.find(configured, now)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %+v, %v; want the processes %v", when, got, err, want)
		}
		for i, p := range got {
			if p.PID != want[i] {
				t.Errorf("%s: %+v, want the processes %v", when, got, want)
			}
		}
		return got
	}
	find("at first", false)
	set("10", stat("10", "keepalived", "S", "1", "500"))
	find("where none is configured it is not searched for at once", false)
	find("but where one is", true, 10)
	set("11", stat("11", "keepalived", "S", "10", "501"))
	find("a child", true, 10)
	set("20", stat("20", "keepalived", "S", "1", "900"))
	find("a second one is not seen at once", true, 10)
	set("10", stat("10", "keepalived", "T", "1", "500"))
	if p := find("what is known is read each time", true, 10); p[0].State != 'T' {
		t.Errorf("its state is %c", p[0].State)
	}
	now = now.Add(rescan)
	find("but in time", true, 10, 20)
	if err := os.RemoveAll(filepath.Join(dir, "20")); err != nil {
		t.Fatal(err)
	}
	set("21", stat("21", "keepalived", "S", "1", "950"))
	find("one that ended makes for a search", true, 10, 21)
	set("21", stat("21", "sh", "S", "1", "1950"))
	set("22", stat("22", "keepalived", "S", "1", "960"))
	find("so does a number that is another program's", true, 10, 22)
	set("22", stat("22", "keepalived", "Z", "1", "960"))
	find("a zombie is none", true, 10)
}
