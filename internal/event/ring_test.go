package event

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write runs a ring until everything appended by fn is on disk.
func write(t *testing.T, dir string, max int64, fn func(*Ring)) {
	t.Helper()
	r, err := Open(dir, "boot-1", max)
	if err != nil {
		t.Fatal(err)
	}
	fn(r)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r.Run(ctx)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestRingIsBoundedOrderedAndSurvives(t *testing.T) {
	dir := t.TempDir()
	for round := range 40 {
		write(t, dir, 64<<10, func(r *Ring) {
			for i := range 100 {
				r.Append(Event{Kind: KindPod, Message: fmt.Sprintf("%d-%d %s", round, i, strings.Repeat("x", 100))})
			}
		})
	}
	var size int64
	for _, n := range []string{newer, older} {
		st, err := os.Stat(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", n, st.Mode())
		}
		size += st.Size()
	}
	if size > 64<<10 {
		t.Errorf("%d bytes on disk, want at most %d", size, 64<<10)
	}
	got, err := Since(dir, time.Time{})
	if err != nil || len(got) < 100 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for i, e := range got {
		if i > 0 && e.Seq != got[i-1].Seq+1 {
			t.Fatalf("event %d follows %d", e.Seq, got[i-1].Seq)
		}
	}
	if last := got[len(got)-1]; last.Seq != 4000 || last.Boot != "boot-1" || !strings.HasPrefix(last.Message, "39-99 ") {
		t.Errorf("last event %+v", last)
	}
}

func TestTornLineIsSkippedAndDoesNotSwallowTheNext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, func(r *Ring) { r.Append(Event{Kind: KindAgent, Message: "one"}) })
	f, _ := os.OpenFile(filepath.Join(dir, newer), os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"seq":2,"kind":"agent","mess`)
	f.Close()
	write(t, dir, 0, func(r *Ring) { r.Append(Event{Kind: KindAgent, Message: "three"}) })
	got, err := Since(dir, time.Time{})
	if err != nil || len(got) != 2 || got[1].Message != "three" {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestFullQueueDropsAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 8<<20, func(r *Ring) {
		for range queue + 7 {
			r.Append(Event{Kind: KindPod, Message: "x"})
		}
	})
	got, _ := Since(dir, time.Time{})
	last := got[len(got)-1]
	if len(got) != queue+1 || last.Reason != "Dropped" || !strings.HasPrefix(last.Message, "7 events") {
		t.Fatalf("%d events, last %+v", len(got), last)
	}
}

func TestHugeEventIsCut(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, func(r *Ring) { r.Append(Event{Kind: KindPod, Message: strings.Repeat("ü", 1<<20)}) })
	got, _ := Since(dir, time.Time{})
	if len(got) != 1 || len(got[0].Message) > 5000 {
		t.Fatalf("%d events", len(got))
	}
}

func TestSinceTellsTimeApart(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	write(t, dir, 0, func(r *Ring) {
		r.Append(Event{Kind: KindPod, Message: "old", Time: now.Add(-time.Hour)})
		r.Append(Event{Kind: KindPod, Message: "new", Time: now})
	})
	got, _ := Since(dir, now.Add(-time.Minute))
	if len(got) != 1 || got[0].Message != "new" {
		t.Fatalf("%+v", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"seq":1,"kind":"pod","time":"2026-01-01T00:00:00Z","message":"x"}` + "\n"))
	f.Add([]byte("\x00\n\n{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, newer), b, 0o600)
		if _, err := Since(dir, time.Time{}); err != nil {
			t.Fatal(err)
		}
		write(t, dir, 0, func(r *Ring) { r.Append(Event{Kind: KindAgent, Message: "after"}) })
		got, _ := Since(dir, time.Time{})
		if len(got) == 0 || got[len(got)-1].Message != "after" {
			t.Fatal("what was written after the damage cannot be read")
		}
	})
}
