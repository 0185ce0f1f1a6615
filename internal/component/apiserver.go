package component

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"nodeagent/internal/health"
)

// apiserverSeen is all that one look at the kube-apiserver saw.
type apiserverSeen struct {
	found  found
	place  place
	livez  answer
	readyz answer // asked only if /livez did not fail
	trust  trust
	login  string // why the configured credentials were not used; empty: they were, or none are needed
	slow   bool   // its last answers were slow, several in a row
	limit  time.Duration
}

// lookAPIServer asks it.
func (c *Checker) lookAPIServer(ctx context.Context, cfg Config) apiserverSeen {
	s := apiserverSeen{found: c.finder.find(cfg, nameAPIServer), limit: cfg.Slow}
	if !s.found.there() {
		return s
	}
	local, err := localAddresses()
	if err != nil {
		s.found.fault = "list this node's addresses: " + err.Error()
	}
	s.place = apiserverPlace(s.found.flags(), local)
	if away, is := foreign(s.place.address, local); is {
		s.livez = away
		return s
	}
	ca := clusterCA(cfg, s.found.trusted())
	s.ask(ctx, newTLSSession(s.place, ca, cfg.Timeout, identity{}))
	s.found.explain(cfg.Proc, s.livez, s.readyz)
	if !denied(s.livez) && !denied(s.readyz) || cfg.Kubeconfig == "" {
		return s
	}
	who, err := readKubeconfig(cfg.Kubeconfig)
	switch {
	case err != nil:
		s.login = err.Error()
	case !s.trust.verified:
		s.login = errUnverified.Error()
	default:
		s.ask(ctx, newTLSSession(s.place, ca, cfg.Timeout, who))
	}
	return s
}

func (s *apiserverSeen) ask(ctx context.Context, server *session) {
	defer server.close()
	s.livez = server.get(ctx, "/livez")
	if s.livez.outcome == answered && (s.livez.status == http.StatusOK || denied(s.livez)) {
		s.readyz = server.get(ctx, "/readyz")
	}
	s.trust = server.seen()
}

// denied tells that a server is alive and tells this client nothing.
func denied(a answer) bool {
	return a.outcome == answered && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden)
}

// judgeAPIServer decides what a look means.
func judgeAPIServer(s apiserverSeen) health.Finding {
	f := judgeAPIAnswers(s)
	if f.Status != health.Absent {
		f.Evidence = apiserverEvidence(s)
	}
	return f
}

func judgeAPIAnswers(s apiserverSeen) health.Finding {
	if !s.found.there() {
		return s.found.missing()
	}
	who, at := s.found.who(nameAPIServer), s.place.address
	if f, bad := judgeReach(s.found, who, at, apiReasons, s.livez, s.readyz); bad {
		return f
	}
	switch {
	case s.livez.status != http.StatusOK && !denied(s.livez):
		if checks := failedChecks(s.livez.body); checks != "" {
			return failing(apiCheck, "/livez: %s", checks)
		}
		return failing(apiOdd, "%s answers /livez with HTTP status %d", at, s.livez.status)
	case s.trust.fault != "":
		return failing(apiCertificate, "%s at %s: %s", who, at, s.trust.fault)
	case s.readyz.status != http.StatusOK && !denied(s.readyz):
		if checks := failedChecks(s.readyz.body); checks != "" {
			return failing(apiNotReady, "/readyz: %s", checks)
		}
		return failing(apiNotReady, "%s answers /readyz with HTTP status %d", at, s.readyz.status)
	case s.slow:
		return failing(apiSlow, "/livez and /readyz took %v, and more than %v several times in a row", s.took().Round(time.Millisecond), s.limit)
	case denied(s.livez), denied(s.readyz):
		return health.Finding{Status: health.OK, Message: fmt.Sprintf("alive at %s; it tells its readiness to nobody without credentials", at)}
	}
	return health.Finding{Status: health.OK, Message: "ready at " + at}
}

// took is how long the slower of the two answers took.
func (s apiserverSeen) took() time.Duration { return max(s.livez.took, s.readyz.took) }

// apiReasons are what APIServer says of an answer that did not come.
var apiReasons = reachReasons{down: apiDown, notListening: apiNotListening, hung: apiHung, unreachable: apiUnreachable, odd: apiOdd}

func apiserverEvidence(s apiserverSeen) []health.Pair {
	e := s.found.evidence()
	add := func(key, value string) {
		if value != "" {
			e = append(e, health.Pair{Key: key, Value: value})
		}
	}
	add("address", s.place.address)
	add("note", s.place.note)
	add("certificate", s.trust.unknown)
	add("credentials", s.login)
	return e
}
