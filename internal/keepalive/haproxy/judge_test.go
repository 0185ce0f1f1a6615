package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

// well is a look at a HAProxy that is well and has a socket.
func well() Seen {
	return Seen{
		At: time.Unix(1000, 0), Timeout: time.Second, Socket: "/run/haproxy/admin.sock",
		Place: Place{Path: "/etc/haproxy/haproxy.cfg", Processes: []Process{{PID: 7, State: 'S', Here: true}}, File: File{
			Sockets: []string{"/run/haproxy/admin.sock"}, Binds: []Bind{{Proxy: "api", Port: 6443}}, Routes: []Route{{"api", "apis"}},
		}},
		Heard: []Heard{{Port: 6443, Family: unix.AF_INET}},
		Answer: answer{tried: true, info: info{name: "HAProxy", version: "2.6.12"}, stat: proxies{backends: []Backend{
			{Name: "apis", Status: "UP", Live: 1, Checked: 2, Servers: []Server{{Name: "a", Status: "UP"}, {Name: "b", Status: "DOWN", Check: "L4CON"}}},
			{Name: "stats", Status: "UP"},
		}}},
	}
}

func words(l health.Look) string {
	var out []string
	for _, f := range l.Findings {
		w := f.Status.String()
		if f.Reason != nil {
			w += "/" + f.Reason.Name
		}
		if f.Subject != "" {
			w = f.Subject + "=" + w
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

func TestJudge(t *testing.T) {
	gone := func(s *Seen) { s.Place.Processes, s.Heard, s.Socket, s.Answer = nil, nil, "", answer{} }
	noSocket := func(s *Seen) { s.Socket, s.Answer = "", answer{} }
	socket := func(err error) func(*Seen) { return func(s *Seen) { s.Answer = answer{tried: true, err: err} } }
	for _, tt := range []struct {
		name             string
		change           func(*Seen)
		balancer, server string
	}{
		{"well", func(*Seen) {}, "ok apis=ok", "apis/a=ok apis/b=failing/ServerDown"},
		{"no live server", func(s *Seen) { s.Answer.stat.backends[0].Status = "DOWN" }, "ok apis=failing/NoLiveBackend", "*"},
		{"and kubelet goes through it", func(s *Seen) {
			s.Answer.stat.backends[0].Status = "DOWN"
			s.Kubelet = Kubelet{Port: 6443, Here: true}
		}, "ok apis=failing/KubeletDeadlock", "*"},
		{"kubelet goes elsewhere", func(s *Seen) {
			s.Answer.stat.backends[0].Status = "DOWN"
			s.Kubelet = Kubelet{Port: 6443}
		}, "ok apis=failing/NoLiveBackend", "*"},
		{"servers without a check", func(s *Seen) {
			s.Answer.stat.backends[0] = Backend{Name: "apis", Status: "UP", Servers: []Server{{Name: "a", Status: "no check"}, {Name: "m", Status: "MAINT"}}}
		}, "ok", "apis/a=unknown/NotChecked apis/m=absent"},

		{"dead", gone, "failing/Down", "unknown/Down"},
		{"dead, and the processes can't all be read", func(s *Seen) { gone(s); s.Place.ProcErr = os.ErrPermission }, "unknown/Unreadable", "*"},
		{"dead, and the ports can't be read", func(s *Seen) { gone(s); s.HeardErr = os.ErrPermission }, "unknown/Unreadable", "*"},
		{"dead, and the configuration can't be read", func(s *Seen) { gone(s); s.Place.FileErr = os.ErrPermission }, "unknown/Unreadable", "*"},
		{"dead, and somebody else has its port", func(s *Seen) { h := s.Heard; gone(s); s.Heard = h }, "unknown/PortHeldByAnother", "*"},
		{"its process is hidden and it answers", func(s *Seen) { s.Place.Processes, s.Place.ProcErr = nil, os.ErrPermission }, "ok apis=ok", "*"},
		{"dead, on a port that is set", func(s *Seen) { gone(s); s.Port = 6443 }, "failing/Down", "unknown/Down"},
		{"never here", func(s *Seen) { gone(s); s.Place = Place{} }, "absent", "absent"},
		{"a package's configuration without frontends", func(s *Seen) { gone(s); s.Place.File = File{} }, "absent", "absent"},
		{"a configuration that is not understood", func(s *Seen) { gone(s); s.Place.File = File{Unsure: []string{"line 2"}} }, "unknown/Unreadable", "*"},
		{"a pod's that is gone with its configuration", func(s *Seen) { gone(s); s.Place, s.Before = Place{}, true }, "failing/Down", "unknown/Down"},

		{"runs and listens nowhere", func(s *Seen) { noSocket(s); s.Heard = nil }, "failing/Down", "unknown/Down"},
		{"its new ports wait for a reload", func(s *Seen) { noSocket(s); s.Heard = nil; s.Holds = true }, "failing/NotListening", "unknown/NoSocket"},
		{"the same, and it answers", func(s *Seen) { s.Heard = nil }, "failing/NotListening apis=ok", "*"},
		{"the set port is not listened on", func(s *Seen) { s.Port = 9443; s.Holds = true }, "failing/Down", "unknown/Down"},
		{"its descriptors can't be read", func(s *Seen) { noSocket(s); s.Heard = nil; s.HoldsErr = os.ErrPermission }, "failing/NotListening", "*"},
		{"it stops and has given up its ports", func(s *Seen) { s.Heard = nil; s.Answer.info.stopping = true }, "failing/Down", "unknown/Down"},
		{"one of two ports", func(s *Seen) { s.Place.File.Binds = append(s.Place.File.Binds, Bind{Port: 80}) }, "failing/NotListening apis=ok", "*"},
		{"in another network namespace", func(s *Seen) { s.Place.Processes[0].Here = false; s.Heard = nil }, "ok apis=ok", "*"},
		{"in another network namespace, without a socket", func(s *Seen) { noSocket(s); s.Place.Processes[0].Here = false; s.Heard = nil }, "unknown/Unreadable", "*"},

		{"no socket", noSocket, "ok", "unknown/NoSocket"},
		{"hung", socket(context.DeadlineExceeded), "failing/Hung", "unknown/Hung"},
		{"its queue is full", socket(syscall.EAGAIN), "failing/Hung", "unknown/Hung"},
		{"stopped by a signal", func(s *Seen) { noSocket(s); s.Place.Processes[0].State = 'T' }, "failing/Hung", "*"},
		{"an old worker is stopped", func(s *Seen) { s.Place.Processes = append(s.Place.Processes, Process{PID: 8, State: 'T', Here: true}) }, "ok apis=ok", "*"},
		{"the socket is not for us", socket(os.ErrPermission), "unknown/SocketDenied", "unknown/SocketDenied"},
		{"the socket answers that it is not for us", socket(errDenied), "unknown/SocketDenied", "unknown/SocketDenied"},
		{"nobody at the socket", socket(fmt.Errorf("%w: x", errNobody)), "unknown/SocketError", "unknown/SocketError"},
		{"nonsense", socket(errors.New("no column")), "unknown/SocketError", "unknown/SocketError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			tt.change(&s)
			looks := judge(s, time.Minute)
			if got := words(looks[0]); got != tt.balancer {
				t.Errorf("balancer %s, want %s: %s", got, tt.balancer, looks[0].Findings[0].Message)
			}
			if got := words(looks[1]); tt.server != "*" && got != tt.server {
				t.Errorf("servers %s, want %s", got, tt.server)
			}
			// A reason outside of the set becomes Undeclared on the board.
			board := health.NewBoard(nil, Conditions()...)
			board.Publish(looks...)
			for _, st := range board.Snapshot().States() {
				for _, e := range st.Entries {
					if e.Reason == health.ReasonUndeclared || e.Status != health.OK && e.Status != health.Absent && e.Message == "" {
						t.Errorf("%s: %+v", st.Condition.Name, e)
					}
				}
			}
			if got := show(s).Absent; got != (tt.balancer == "absent") {
				t.Errorf("it is shown as absent: %v", got)
			}
		})
	}
}

// TestWorstIsTheBalancer: a policy reads the worst entry, and FAULT is for Down alone.
func TestWorstIsTheBalancer(t *testing.T) {
	s := well()
	s.Port, s.Answer.stat.backends[0].Status = 9443, "DOWN"
	board := health.NewBoard(nil, Conditions()...)
	board.Publish(judge(s, 0)...)
	st, _ := board.Snapshot().Of("HAProxy")
	if got := st.Worst().ReasonName(); got != "Down" {
		t.Errorf("the worst is %s", got)
	}
}

func TestHears(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	every := netip.Addr{}
	for _, tt := range []struct {
		h    Heard
		b    netip.Addr
		want bool
	}{
		{Heard{Family: unix.AF_INET}, every, true},
		{Heard{Family: unix.AF_INET}, v4, true},
		{Heard{Family: unix.AF_INET}, v6, false},
		{Heard{Family: unix.AF_INET6}, v6, true},
		{Heard{Family: unix.AF_INET6}, v4, true},
		{Heard{Family: unix.AF_INET, Addr: v4}, v4, true},
		{Heard{Family: unix.AF_INET, Addr: v4}, every, false},
		{Heard{Family: unix.AF_INET, Addr: v4}, netip.MustParseAddr("10.0.0.2"), false},
	} {
		tt.h.Port = 6443
		if got := tt.h.hears(Bind{Addr: tt.b, Port: 6443}); got != tt.want {
			t.Errorf("%+v hears %v: %v", tt.h, tt.b, got)
		}
		if tt.h.hears(Bind{Addr: tt.b, Port: 6444}) {
			t.Error("the port is not looked at")
		}
	}
}

// TestWay: only a configuration that was understood as a whole proves that a kubelet goes past its balancer.
func TestWay(t *testing.T) {
	for _, c := range []struct {
		name    string
		kubelet Kubelet
		change  func(*Seen)
		want    Way
	}{
		{"not known", Kubelet{}, nil, ""},
		{"another machine", Kubelet{Port: 6443}, nil, ""},
		{"through it", Kubelet{Port: 6443, Here: true}, nil, Through},
		{"through the port that is configured", Kubelet{Port: 8443, Here: true}, func(s *Seen) { s.Port = 8443 }, Through},
		{"past it", Kubelet{Port: 7443, Here: true}, nil, Past},
		{"not all of it was understood", Kubelet{Port: 7443, Here: true}, func(s *Seen) { s.Place.File.Unsure = []string{"line 3"} }, ""},
		{"it can't be read", Kubelet{Port: 7443, Here: true}, func(s *Seen) { s.Place.FileErr = os.ErrPermission }, ""},
		{"it is not there", Kubelet{Port: 7443, Here: true}, func(s *Seen) { s.Place.Path = "" }, ""},
	} {
		s := well()
		s.Kubelet = c.kubelet
		if c.change != nil {
			c.change(&s)
		}
		v := show(s)
		if v.Kubelet != c.want {
			t.Errorf("%s: %q, want %q", c.name, v.Kubelet, c.want)
		}
		if v.Backends[0].Kubelet != (c.kubelet.Here && c.kubelet.Port == 6443) || v.Backends[1].Kubelet {
			t.Errorf("%s: %+v", c.name, v.Backends)
		}
	}
}
