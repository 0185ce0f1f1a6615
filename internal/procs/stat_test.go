package procs

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	s, err := ParseStat([]byte("12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"))
	if want := (Stat{PID: 12, Comm: "a) b) (c", State: 'S', Parent: 1, Threads: 17, Start: 4711}); err != nil || s != want {
		t.Errorf("got %+v %v, want %+v", s, err, want)
	}
	if s.Started() != 47*time.Second+110*time.Millisecond {
		t.Errorf("started %v after the boot", s.Started())
	}
	for _, bad := range []string{"", "12", "12 (a", "x (a) S 1", "12 (a) S 1 2", ") (", "x (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20",
		"12 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 9999999999999999999 20"} {
		if s, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}

func TestGone(t *testing.T) {
	for want, list := range map[bool][]Stat{
		true:  {{State: 'X'}, {State: 'Z', Threads: 1}, {State: 'Z'}},
		false: {{State: 'S', Threads: 1}, {State: 'T', Threads: 1}, {State: 'Z', Threads: 2}}, // the main thread alone has ended
	} {
		for _, s := range list {
			if s.Gone() != want {
				t.Errorf("%c with %d threads: gone %v", s.State, s.Threads, !want)
			}
		}
	}
}

func TestReadStat(t *testing.T) {
	s, err := ReadStat("/proc", os.Getpid())
	if err != nil || s.PID != os.Getpid() || s.Parent != os.Getppid() || s.Threads < 1 {
		t.Fatalf("this process is %+v, %v", s, err)
	}
	up, err := Uptime("/proc")
	if err != nil || up < s.Started() {
		t.Errorf("it started %v after the boot, which was %v ago (%v)", s.Started(), up, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"))
	f.Add([]byte("1 (a) b () S 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 3 0 0"))
	f.Add([]byte("1 (x"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = ParseStat(b) })
}
