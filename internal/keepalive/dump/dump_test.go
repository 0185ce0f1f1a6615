package dump

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/health"
)

func TestParse(t *testing.T) {
	b, err := os.ReadFile("testdata/keepalived-2.2.7.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	i := got[0]
	if i.Name != "VI_1" || i.Base != 100 || i.Effective != 40 || i.Fault || len(i.Scripts) != 2 {
		t.Errorf("%+v", i)
	}
	for _, bad := range []string{"", "[]", "{}", string(b[:len(b)/2]), `[{"data":{}}]`} {
		if got, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/keepalived-2.2.7.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := Parse(b); err == nil && len(got) == 0 {
			t.Error("no instance and no error")
		}
	})
}

func TestHandles(t *testing.T) {
	for text, want := range map[string]bool{
		"SigBlk:\t0000000800000000\nSigCgt:\t0000000000000000\n": true,  // a signalfd, as keepalived 2.2.7 has
		"SigBlk:\t0000000000000000\nSigCgt:\t0000000800000000\n": true,  // a handler
		"SigBlk:\t0000000400000000\nSigCgt:\t0000001000000000\n": false, // its neighbours
		"SigIgn:\t0000000800000000\n":                            false,
		"":                                                       false,
		"SigCgt:\tx\n":                                           false,
	} {
		if got := handles(text, signal); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestFresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keepalived.json")
	if err := os.WriteFile(path, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fresh(path, before)
	if err == nil {
		t.Error("one that was there before counts")
	}
	if os.Getuid() == 0 {
		if b, err := fresh(path, nil); err != nil || string(b) != "[]" {
			t.Errorf("a new one: %q, %v", b, err)
		}
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh(link, nil); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link: %v", err)
	}
	fifo := path + ".fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh(fifo, nil); err == nil {
		t.Error("a FIFO counts")
	}
}

func TestJudge(t *testing.T) {
	now := time.Unix(1000, 0)
	long := now.Add(-time.Minute)
	dumped := func(base, effective int, scripts ...string) []Instance {
		return []Instance{{Name: "VI_1", Base: base, Effective: effective, Scripts: scripts}}
	}
	file := []Tracked{{Name: "VI_1", Since: long}}
	low := []Tracked{{Name: "VI_1", Lowest: -60, Since: long}}
	script := []Tracked{{Name: "VI_1", Script: true, Lowest: -60, Since: long}}
	fault := dumped(100, 100)
	fault[0].Fault = true
	for _, tc := range []struct {
		name   string
		s      Seen
		status health.Status
		reason *health.Reason
	}{
		{"off", Seen{Off: true, Running: true, Tracked: file}, health.Absent, nil},
		{"nothing follows us", Seen{Running: true}, health.Absent, nil},
		{"no keepalived", Seen{Tracked: file}, health.Absent, nil},
		{"no dump", Seen{Running: true, Tracked: file, Err: errNotHandled}, health.Unknown, reasonNoDump},
		{"fit", Seen{Running: true, Tracked: file, Dump: dumped(100, 100)}, health.OK, nil},
		{"another lowers it", Seen{Running: true, Tracked: file, Dump: dumped(100, 80)}, health.OK, nil},
		{"lowered", Seen{Running: true, Tracked: low, Dump: dumped(100, 40)}, health.OK, nil},
		{"not lowered", Seen{Running: true, Tracked: low, Dump: dumped(100, 100)}, health.Failing, reasonNotFollowed},
		{"not lowered yet", Seen{Running: true, Tracked: []Tracked{{Name: "VI_1", Lowest: -60, Since: now.Add(-time.Second)}}, Dump: dumped(100, 100)}, health.OK, nil},
		{"in FAULT", Seen{Running: true, Tracked: low, Dump: fault}, health.OK, nil},
		{"the script is tracked", Seen{Running: true, Tracked: script, Dump: dumped(100, 100, "'/usr/libexec/nodeagent/nodeagent-check' 'vip'")}, health.OK, nil},
		{"the script was switched off", Seen{Running: true, Tracked: script, Dump: dumped(100, 100, "'/usr/bin/true'")}, health.Failing, reasonNotTracked},
		{"another configuration", Seen{Running: true, Tracked: file, Dump: []Instance{{Name: "VI_2"}}}, health.Failing, reasonNotLoaded},
	} {
		got := judge(tc.s, now)
		if len(got) != 1 || got[0].Status != tc.status || got[0].Reason != tc.reason {
			t.Errorf("%s: %+v", tc.name, got)
		}
	}
}
