package haproxy

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"nodeagent/internal/health"
)

// Seen is all that one look saw: what judge decides from.
type Seen struct {
	At       time.Time
	Place    Place
	Before   bool // an earlier look of this agent saw it run
	Heard    []Heard
	HeardErr error
	Holds    bool // one of its processes has a listening TCP socket; asked only where none of its ports is listened on
	HoldsErr error
	Socket   string // the one that answered, or the one whose error is told; empty: there is none
	Answer   answer
	Port     uint16 // of Config
	Timeout  time.Duration
	Kubelet  Kubelet
}

// Look looks once, changes nothing and keeps nothing open: for `status` and `vip` with no daemon.
func Look(ctx context.Context, c Config) ([]health.Look, View) {
	s := look(ctx, c, find(c, tableOf(c), nil, true), false)
	return judge(s, c.valid()), show(s)
}

func look(ctx context.Context, c Config, where Place, before bool) Seen {
	s := Seen{At: time.Now(), Place: where, Before: before, Port: c.Port, Timeout: c.Timeout, Kubelet: c.kubelet()}
	s.Heard, s.HeardErr = listening()
	if len(where.Processes) > 0 && s.HeardErr == nil {
		if binds := s.watched(); len(binds) > 0 && s.heardOf(binds) == 0 {
			s.Holds, s.HoldsErr = holds(filepath.Join("/", c.Root, "proc"), where.Processes, s.Heard)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout) // of all sockets together
	defer cancel()
	for _, path := range where.Sockets {
		a := ask(ctx, path, c.Timeout)
		if better(a.err, s.Answer.err, s.Socket != "") {
			s.Socket, s.Answer = path, a
		}
		if a.err == nil {
			break
		}
	}
	return s
}

// somebody tells of a HAProxy, or of what stands in its place: its socket or one of its ports is not deserted.
func (s Seen) somebody() bool {
	return s.Socket != "" && !errors.Is(s.Answer.err, errNobody) || s.HeardErr == nil && s.heardOf(s.watched()) > 0
}

// better reports whether the outcome of one socket tells more than the one before: an answer most, then anything over nobody there.
func better(now, was error, any bool) bool {
	return !any || now == nil || was != nil && errors.Is(was, errNobody) && !errors.Is(now, errNobody)
}

// watched are the addresses that it should listen on.
func (s Seen) watched() []Bind {
	if s.Port == 0 {
		return s.Place.File.Binds
	}
	var out []Bind
	for _, b := range s.Place.File.Binds {
		if b.Port == s.Port {
			out = append(out, b)
		}
	}
	if len(out) == 0 {
		out = []Bind{{Port: s.Port}}
	}
	return out
}

func (s Seen) listener(b Bind) (Heard, bool) {
	for _, h := range s.Heard {
		if h.hears(b) {
			return h, true
		}
	}
	return Heard{}, false
}

func (s Seen) heardOf(binds []Bind) int {
	n := 0
	for _, b := range binds {
		if _, ok := s.listener(b); ok {
			n++
		}
	}
	return n
}

// show is what is shown of it.
func show(s Seen) View {
	v := View{At: s.At, File: s.Place.Path, Socket: s.Socket, Answered: s.Answer.tried && s.Answer.err == nil, Kubelet: s.way(), Absent: judgeProcess(s).Status == health.Absent}
	for _, p := range s.Place.Processes {
		v.PIDs = append(v.PIDs, p.PID)
	}
	for _, b := range s.Place.File.Binds {
		h, ok := s.listener(b)
		v.Listeners = append(v.Listeners, Listener{Proxy: b.Proxy, Address: b.String(), Heard: ok, Known: s.HeardErr == nil && s.portsKnown(), Waiting: h.Waiting, Queue: h.Queue})
	}
	if v.Answered {
		i := s.Answer.info
		v.Version, v.Conns, v.MaxConn, v.Stopping = i.version, i.conns, i.max, i.stopping
		v.Started = s.At.Add(-i.uptime).Truncate(time.Second)
		v.Frontends, v.Backends = s.Answer.stat.frontends, slices.Clone(s.Answer.stat.backends)
		for i, b := range v.Backends {
			v.Backends[i].Kubelet = s.leads(b.Name)
		}
	}
	return v
}

// portsKnown: sock_diag tells of this network namespace alone.
func (s Seen) portsKnown() bool {
	for _, p := range s.Place.Processes {
		if !p.Here {
			return false
		}
	}
	return true
}
