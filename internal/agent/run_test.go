package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/api"
	"nodeagent/internal/state"
)

// runs is Run with a deadline.
func runs(t *testing.T, ctx context.Context, o Options) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatal("Run does not end")
		return nil
	}
}

// TestSomebodyIsInTheWay: what does not pass by itself ends the agent, with who and what to do.
func TestSomebodyIsInTheWay(t *testing.T) {
	for _, c := range []struct {
		name string
		take func(t *testing.T, p *place) (says string)
		want error
	}{
		{"metrics address", func(t *testing.T, p *place) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			p.write(t, `metrics: {listen: "`+l.Addr().String()+`"}`)
			return "http listener: listen on " + l.Addr().String() + ": the address is taken: `ss -ltnp` shows by whom; stop it, or set metrics.listen"
		}, api.ErrAddressTaken},
		{"socket", func(t *testing.T, p *place) string {
			path := filepath.Join(p.dir, "run", "nodeagent.sock")
			p.file(t, "run/x", "")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return "api socket: listen on " + path + ": another nodeagent answers on this socket: stop that one (`systemctl stop nodeagent`), or set another api.socket"
		}, api.ErrSocketTaken},
		{"state folder", func(t *testing.T, p *place) string {
			f, err := state.Open(p.state)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return "lock " + p.state + ": another agent uses this state folder"
		}, state.ErrTaken},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			says := c.take(t, p)
			err := runs(t, t.Context(), p.o)
			if !errors.Is(err, c.want) || err.Error() != says {
				t.Errorf("Run: %v\nwant %s", err, says)
			}
			if c.want == state.ErrTaken {
				return
			}
			for _, l := range p.timeline(t) {
				if strings.HasPrefix(l, "agent/Stopping") {
					t.Errorf("nobody told it to stop: %s", l)
				}
			}
			freed(t, p)
		})
	}
}

// freed tells that the state folder is nobody's.
func freed(t *testing.T, p *place) {
	t.Helper()
	f, err := state.Open(p.state)
	if err != nil {
		t.Errorf("the state folder was not given back: %v", err)
		return
	}
	f.Close()
}

// TestBuildThatFails gives back what it took, and is an error and no panic.
func TestBuildThatFails(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, p *place)
		says string
	}{
		{"timeline is a folder", func(t *testing.T, p *place) { p.file(t, "state/events.jsonl/x", "") }, "open timeline"},
		{"name of a newer agent", func(t *testing.T, p *place) {
			p.write(t, `nodeName: ""`)
			p.file(t, "state/node.json", `{"version":99,"data":"x"}`)
		}, "version 99"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			c.make(t, p)
			if err := runs(t, t.Context(), p.o); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Run: %v", err)
			}
			os.RemoveAll(filepath.Join(p.state, "events.jsonl"))
			os.RemoveAll(filepath.Join(p.state, "node.json"))
			freed(t, p)
		})
	}
}

// TestStop: a stop is no error and the last line of the timeline, every time.
func TestStop(t *testing.T) {
	p := newPlace(t)
	for range 20 {
		s, err := first(p.o)
		if err != nil {
			t.Fatal(err)
		}
		a, err := build(p.o, s)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.run(ctx) }()
		for _, task := range a.supervisor.tasks {
			if name := task.String(); name == "timeline" || name == "api socket" {
				<-task.Ready()
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		a.close()
	}
	told := slices.DeleteFunc(p.timeline(t), func(l string) bool { return !strings.HasPrefix(l, "agent/") })
	var starts, stops int
	for i, l := range told {
		switch {
		case strings.HasPrefix(l, "agent/Started"):
			starts++
		case strings.HasPrefix(l, "agent/Stopping") && i > 0 && strings.HasPrefix(told[i-1], "agent/Started"):
			stops++
		}
	}
	if starts != 20 || stops != 20 {
		t.Errorf("%d starts and %d stops after them: %q", starts, stops, told)
	}
}

// TestNameIsKept: the name that was found first stays, whatever the host is called later; one that is configured wins.
func TestNameIsKept(t *testing.T) {
	p := newPlace(t, `nodeName: ""`)
	a := p.build(t)
	host, err := hostname()
	if err != nil || a.nodeName == "" || host != strings.ToLower(host) {
		t.Fatalf("name %q, host %q, %v", a.nodeName, host, err)
	}
	if err := a.folder.SaveDurable("node", nameVersion, "before-the-lease"); err != nil {
		t.Fatal(err)
	}
	a.close()
	a = p.build(t)
	if a.nodeName != "before-the-lease" {
		t.Errorf("name %q", a.nodeName)
	}
	a.close()
	p.write(t, "nodeName: given")
	if a = p.build(t); a.nodeName != "given" {
		t.Errorf("name %q", a.nodeName)
	}
}
