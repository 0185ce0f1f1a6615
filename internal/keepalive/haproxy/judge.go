package haproxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// judge decides what a look means. valid is how long it may be believed.
func judge(s Seen, valid time.Duration) []health.Look {
	self := judgeSelf(s)
	balancer := health.Look{Of: HAProxy, Valid: valid, Findings: []health.Finding{self}}
	servers := health.Look{Of: Servers, Valid: valid}
	answered := s.Answer.tried && s.Answer.err == nil
	switch {
	case self.Status == health.Absent:
		servers.Findings = []health.Finding{{Status: health.Absent, Message: self.Message}}
	case self.Reason == reasonDown, len(s.Place.Processes) == 0 && !answered:
		servers.Findings = []health.Finding{unknown(self.Reason, "its servers can't be seen: %s", self.Message)}
	case answered:
		balancer.Findings = append(balancer.Findings, judgeBackends(s)...)
		servers.Findings = judgeServers(s.Answer.stat.backends)
	case s.Socket == "":
		servers.Findings = []health.Finding{unknown(reasonNoSocket, "HAProxy has no runtime socket: its servers can't be seen")}
	default:
		servers.Findings = []health.Finding{unknown(socketReason(s.Answer.err), "the runtime socket %s did not tell: %v", s.Socket, s.Answer.err)}
	}
	return []health.Look{balancer, servers}
}

func failing(r *health.Reason, format string, args ...any) health.Finding {
	return health.Finding{Status: health.Failing, Reason: r, Message: fmt.Sprintf(format, args...)}
}

func unknown(r *health.Reason, format string, args ...any) health.Finding {
	return health.Finding{Status: health.Unknown, Reason: r, Message: fmt.Sprintf(format, args...)}
}

// judgeSelf decides about HAProxy itself.
func judgeSelf(s Seen) health.Finding {
	f := judgeProcess(s)
	if f.Status == health.Absent {
		return f
	}
	if s.Place.Path != "" {
		f.Evidence = append(f.Evidence, health.Pair{Key: "configuration", Value: s.Place.Path})
	}
	if s.Socket != "" {
		f.Evidence = append(f.Evidence, health.Pair{Key: "socket", Value: s.Socket})
	}
	if len(s.Place.File.Unsure) > 0 {
		f.Evidence = append(f.Evidence, health.Pair{Key: "not understood", Value: s.Place.File.Unsure[0]})
	}
	return f
}

func judgeProcess(s Seen) health.Finding {
	answered := s.Answer.tried && s.Answer.err == nil
	if len(s.Place.Processes) == 0 && !answered {
		return judgeGone(s)
	}
	binds := s.watched()
	heard := s.heardOf(binds)
	who := s.who()
	known := s.HeardErr == nil && s.portsKnown()
	switch {
	case known && len(binds) > 0 && heard == 0 && (s.Port != 0 || s.HoldsErr == nil && !s.Holds && !answered || answered && s.Answer.info.stopping):
		return failing(reasonDown, "%s runs and nobody listens on %s", who, list(binds))
	case s.stopped():
		return failing(reasonHung, "%s was stopped by a signal (state T)", who)
	case late(s.Answer.err):
		return failing(reasonHung, "%s did not answer %s within %v", who, s.Socket, s.Timeout)
	case known && heard < len(binds):
		return failing(reasonNotListening, "%s runs and nobody listens on %s", who, list(s.unheard(binds)))
	case s.Answer.err != nil:
		return unknown(socketReason(s.Answer.err), "%s runs; its runtime socket did not tell: %v", who, s.Answer.err)
	case s.HeardErr != nil && !answered:
		return unknown(reasonUnreadable, "%s runs; who listens on its ports can't be read: %v", who, s.HeardErr)
	case s.Place.FileErr != nil && !answered:
		return unknown(reasonUnreadable, "%s runs; its configuration can't be read: %v", who, s.Place.FileErr)
	case answered:
		i := s.Answer.info
		return health.Finding{Status: health.OK, Message: fmt.Sprintf("HAProxy %s runs and answers%s", i.version, listens(known, binds))}
	case !known:
		return unknown(reasonUnreadable, "%s runs in a network of its own, or one that can't be read, and has no runtime socket that is reached", who)
	default:
		return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s runs%s; it has no runtime socket, so its backends are not seen", who, listens(known, binds))}
	}
}

// judgeGone decides where no process of it was seen.
func judgeGone(s Seen) health.Finding {
	binds := s.watched()
	belongs := s.Before || s.Place.Path != "" && len(s.Place.File.Binds) > 0
	switch {
	case s.Place.ProcErr != nil:
		return unknown(reasonUnreadable, "no HAProxy was seen, but: %v", s.Place.ProcErr)
	case s.Place.FileErr != nil:
		return unknown(reasonUnreadable, "no HAProxy runs, and its configuration can't be read: %v", s.Place.FileErr)
	case !belongs && s.Place.Path != "" && len(s.Place.File.Unsure) > 0:
		return unknown(reasonUnreadable, "no HAProxy runs, and %s was not understood: %s", s.Place.Path, s.Place.File.Unsure[0])
	case !belongs && s.Place.Path != "":
		return health.Finding{Status: health.Absent, Message: fmt.Sprintf("no HAProxy runs, and %s has no frontend", s.Place.Path)}
	case !belongs:
		return health.Finding{Status: health.Absent, Message: "no HAProxy runs on this node, and it has no configuration (" + strings.Join(s.Place.Tried, ", ") + ")"}
	case s.HeardErr != nil:
		return unknown(reasonUnreadable, "no HAProxy runs; who listens on its ports can't be read: %v", s.HeardErr)
	case s.heardOf(binds) > 0:
		return unknown(reasonForeign, "no HAProxy runs, and somebody else listens on %s", list(s.heard(binds)))
	case len(binds) == 0:
		return failing(reasonDown, "HAProxy ran here and runs no more")
	}
	return failing(reasonDown, "HAProxy does not run, and nobody listens on %s", list(binds))
}

// judgeBackends decides about the backends whose servers HAProxy checks; it alone knows them.
func judgeBackends(s Seen) []health.Finding {
	var out []health.Finding
	for _, b := range s.Answer.stat.backends {
		if len(b.Servers) == 0 { // statistics, redirects
			continue
		}
		f := health.Finding{Subject: b.Name, Evidence: evidence(b)}
		switch {
		case strings.HasPrefix(b.Status, "DOWN") && s.leads(b.Name):
			f.Status, f.Reason = health.Failing, reasonDeadlock
			f.Message = fmt.Sprintf("none of %d servers is live, and the kubelet here goes through this balancer: if it restarts it starts no static pods", len(b.Servers))
		case strings.HasPrefix(b.Status, "DOWN"):
			f.Status, f.Reason = health.Failing, reasonNoLiveBackend
			f.Message = fmt.Sprintf("none of %d servers is live", len(b.Servers))
		case b.Checked == 0: // HAProxyServers says it
			continue
		default:
			f.Status, f.Evidence = health.OK, nil
			f.Message = fmt.Sprintf("%d of %d servers live", b.Live, b.Checked)
		}
		out = append(out, f)
	}
	return out
}

// leads reports whether the kubelet of this node reaches its apiserver through a frontend that uses the backend.
func (s Seen) leads(backend string) bool {
	if !s.Kubelet.Here || s.Kubelet.Port == 0 {
		return false
	}
	for _, r := range s.Place.File.Routes {
		for _, b := range s.Place.File.Binds {
			if r.Backend == backend && b.Proxy == r.Frontend && b.Port == s.Kubelet.Port {
				return true
			}
		}
	}
	return false
}

// way tells whether the kubelet of this node reaches its apiserver through this balancer. It is past only where all of the configuration was
// understood, so that no address of it is missing.
func (s Seen) way() Way {
	if !s.Kubelet.Here || s.Kubelet.Port == 0 {
		return ""
	}
	if slices.ContainsFunc(s.Place.File.Binds, func(b Bind) bool { return b.Port == s.Kubelet.Port }) || s.Port == s.Kubelet.Port {
		return Through
	}
	if s.Place.Path == "" || s.Place.FileErr != nil || len(s.Place.File.Unsure) > 0 || len(s.Place.File.Binds) == 0 {
		return ""
	}
	return Past
}

func evidence(b Backend) []health.Pair {
	var out []health.Pair
	for _, v := range b.Servers[:min(len(b.Servers), 10)] {
		out = append(out, health.Pair{Key: v.Name, Value: v.words()})
	}
	return out
}

func judgeServers(backends []Backend) []health.Finding {
	var out []health.Finding
	for _, b := range backends {
		for _, v := range b.Servers {
			f := health.Finding{Subject: b.Name + "/" + v.Name, Message: v.words()}
			word, _, _ := strings.Cut(v.Status, " ")
			switch {
			case word == "MAINT":
				f.Status = health.Absent // a person's or DNS' decision
			case !v.checked():
				f.Status, f.Reason = health.Unknown, reasonNotChecked
			case v.live():
				f.Status, f.Message = health.OK, v.Status // without the times, which change from look to look
			default:
				f.Status, f.Reason = health.Failing, reasonServerDown
			}
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		out = []health.Finding{{Status: health.Absent, Message: "no backend has a server"}}
	}
	return out
}

// words is what is said of a server: nothing in it changes while its state doesn't.
func (s Server) words() string {
	out := s.Status
	if s.Check != "" {
		out += ", check " + s.Check
		if s.CheckCode != 0 {
			out += " " + strconv.FormatInt(s.CheckCode, 10)
		}
		if s.CheckText != "" {
			out += " (" + s.CheckText + ")"
		}
	}
	if s.Address != "" {
		out += ", " + s.Address
	}
	return out
}

func socketReason(err error) *health.Reason {
	switch {
	case denied(err):
		return reasonSocketDenied
	case late(err):
		return reasonHung
	default:
		return reasonSocketError
	}
}

func (s Seen) who() string {
	if len(s.Place.Processes) == 0 {
		return "HAProxy"
	}
	return fmt.Sprintf("HAProxy (pid %d)", s.Place.Processes[0].PID)
}

// stopped: a worker that is stopped serves nobody, whatever its master says.
func (s Seen) stopped() bool {
	if s.Answer.tried && s.Answer.err == nil {
		return false // an old worker, which was left behind by a reload
	}
	for _, p := range s.Place.Processes {
		if p.State == 'T' || p.State == 't' {
			return true
		}
	}
	return false
}

func (s Seen) unheard(binds []Bind) []Bind { return s.only(binds, false) }
func (s Seen) heard(binds []Bind) []Bind   { return s.only(binds, true) }

func (s Seen) only(binds []Bind, heard bool) []Bind {
	var out []Bind
	for _, b := range binds {
		if _, ok := s.listener(b); ok == heard {
			out = append(out, b)
		}
	}
	return out
}

func listens(known bool, binds []Bind) string {
	if !known || len(binds) == 0 {
		return ""
	}
	return ", and listens on " + list(binds)
}

func list(binds []Bind) string {
	var out []string
	for i, b := range binds {
		if i == 4 {
			out = append(out, fmt.Sprintf("%d more", len(binds)-i))
			break
		}
		out = append(out, b.String())
	}
	return strings.Join(out, ", ")
}
