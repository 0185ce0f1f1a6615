package component

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"nodeagent/internal/health"
)

// controller is a scheduler or a controller-manager: alike in how they are asked and judged.
type controller struct {
	program string
	port    string // by default
	of      *health.Condition
	reasons controllerReasons
}

type controllerReasons struct {
	reachReasons
	check *health.Reason
}

var (
	scheduler         = controller{nameScheduler, "10259", Scheduler, schedulerReasons}
	controllerManager = controller{nameController, "10257", ControllerManager, managerReasons}
)

// controllerSeen is all that one look saw.
type controllerSeen struct {
	found   found
	address string // empty: it serves its health nowhere
	healthz answer
}

// look asks /healthz, which needs no credentials: none are sent, and since its certificate is signed by itself on most nodes, none is judged.
func (k controller) look(ctx context.Context, f *finder, cfg Config) controllerSeen {
	s := controllerSeen{found: f.find(cfg, k.program)}
	if !s.found.there() {
		return s
	}
	if s.address = controllerAddress(s.found.flags(), k.port); s.address == "" {
		return s
	}
	if away, is := elsewhere(s.address); is {
		s.healthz = away
		return s
	}
	server := newTLSSession(place{address: s.address}, authority{}, cfg.Timeout, identity{})
	defer server.close()
	s.healthz = server.get(ctx, "/healthz")
	s.found.explain(cfg.Proc, s.healthz)
	return s
}

// controllerAddress is where it serves; empty: nowhere.
func controllerAddress(f flags, port string) string {
	port = f.or("secure-port", port)
	if port == "0" {
		return ""
	}
	bind, _ := netip.ParseAddr(f["bind-address"])
	return net.JoinHostPort(reachedAt(bind), port)
}

func (k controller) judge(s controllerSeen) health.Finding {
	f := k.judgeAnswer(s)
	if f.Status != health.Absent {
		f.Evidence = s.found.evidence()
	}
	return f
}

func (k controller) judgeAnswer(s controllerSeen) health.Finding {
	if !s.found.there() {
		return s.found.missing()
	}
	who := s.found.who(k.program)
	if s.address == "" {
		return s.found.silent(k.program, k.reasons.down, "--secure-port is 0")
	}
	if f, bad := judgeReach(s.found, who, s.address, k.reasons.reachReasons, s.healthz); bad {
		return f
	}
	switch checks := failedChecks(s.healthz.body); {
	case s.healthz.status == http.StatusOK:
		return health.Finding{Status: health.OK, Message: "well at " + s.address}
	case denied(s.healthz):
		return health.Finding{Status: health.OK, Message: "alive at " + s.address + "; it tells its health to nobody without credentials"}
	case checks != "":
		return failing(k.reasons.check, "/healthz: %s", checks)
	default:
		return failing(k.reasons.odd, "%s answers /healthz with HTTP status %d", s.address, s.healthz.status)
	}
}
