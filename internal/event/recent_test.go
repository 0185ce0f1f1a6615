package event

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestAfter waits for what is written next, and finds what is older in memory or on disk.
func TestAfter(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 8<<20, func(r *Ring) {
		for i := range 10 {
			r.Append(Event{Kind: KindPod, Message: fmt.Sprint(i)})
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r, err := Open(dir, "boot-2", 8<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx) }()
		defer func() { stop(); <-ended }()

		short := func() context.Context {
			c, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			return c
		}
		if got, err := r.After(short(), 7); err != nil || len(got) != 3 || got[0].Seq != 8 {
			t.Errorf("from disk, of a writer before: %v, %v", got, err)
		}
		if got, err := r.After(short(), 10); err != nil || len(got) != 0 {
			t.Errorf("nothing came: %v, %v", got, err)
		}
		answer := make(chan []Event)
		go func() {
			got, _ := r.After(short(), 10)
			answer <- got
		}()
		synctest.Wait()
		r.Append(Event{Kind: KindExit, Message: "died", Log: "hunter2"})
		if got := <-answer; len(got) != 1 || got[0].Seq != 11 || got[0].Log != "" {
			t.Errorf("what came: %+v", got)
		}
		for range 2 * kept {
			r.Append(Event{Kind: KindPod, Message: "x"})
		}
		synctest.Wait()
		if got, _ := r.After(short(), 11); len(got) != 2*kept || got[0].Seq != 12 {
			t.Errorf("more than is kept: %d", len(got))
		}
		if got, _ := r.After(short(), 11+kept); len(got) != kept || got[0].Seq != 12+kept {
			t.Errorf("all that is kept: %d", len(got))
		}
		if got, _ := r.After(short(), 1<<40); len(got) == 0 {
			t.Error("a number of another ring lists nothing")
		}
	})
}
