//go:build integration

package pods

import (
	"slices"
	"testing"
	"time"
)

func (s *suite) postStart(t *testing.T, v variant) {
	s.proves(t, v, "@.lifecycle")
	s.proves(t, v, below("@.lifecycle.postStart", "exec", "exec.command")...)
	p := s.pod(t, "post-start-"+v.key, v.pod("", `args: [do, "say /ctl/beats start", hold]
lifecycle: {postStart: {exec: {command: [/nodeagent, workload, do, "say /ctl/beats hook", "need /ctl/well"]}}}
`))
	// A hook that fails ends its container.
	p.starts(1)
	if n := len(p.beats("hook")); n > 1 {
		t.Errorf("%d hooks for one start", n)
	}
	p.set("well")
	p.ready()
}

func (s *suite) preStop(t *testing.T, v variant) {
	s.proves(t, v, below("@.lifecycle.preStop", "exec", "exec.command")...)
	p := s.pod(t, "pre-stop-"+v.key, v.pod("terminationGracePeriodSeconds: 20", `args: [do, "say /ctl/beats start", hold, "say /ctl/beats term"]
lifecycle: {preStop: {exec: {command: [/nodeagent, workload, do, "say /ctl/beats hook", "wait 1s", "say /ctl/beats hooked"]}}}
`))
	p.run("main")
	p.starts(0)
	p.remove()
	p.gone()
	if got := texts(p.said("beats")); !slices.Equal(got, []string{"start", "hook", "hooked", "term"}) {
		t.Errorf("what happened was %q", got)
	}
}

func (s *suite) httpHooks(t *testing.T, v variant) {
	s.proves(t, v, below("@.lifecycle.postStart", handlerRows...)[1:]...)
	s.proves(t, v, below("@.lifecycle.preStop", handlerRows...)[1:]...)
	x := newTarget(t)
	p := s.pod(t, "http-hooks-"+v.key, v.pod("", "args: [do, hold]\nlifecycle: {postStart: {httpGet: "+x.get("/started")+"}, preStop: {httpGet: "+x.get("/stopping")+"}}"))
	x.got("/started")
	p.ready()
	p.remove()
	x.got("/stopping")
}

func (s *suite) sleepHooks(t *testing.T, v variant) {
	s.proves(t, v, below("@.lifecycle.postStart.sleep", "seconds")...)
	s.proves(t, v, below("@.lifecycle.preStop.sleep", "seconds")...)
	p := s.pod(t, "sleep-hooks-"+v.key, v.pod("terminationGracePeriodSeconds: 20", `args: [do, "say /ctl/beats start", hold, "say /ctl/beats term"]
lifecycle: {postStart: {sleep: {seconds: 2}}, preStop: {sleep: {seconds: 2}}}
readinessProbe: {exec: {command: [/nodeagent, workload, do, "say /ctl/beats ready"]}, periodSeconds: 1}
`))
	p.ready()
	at, _ := p.started()
	if d := p.beats("ready")[0].Sub(at); d < 2*time.Second-slack {
		t.Errorf("the first probe came %s after the start, want 2 s: it waits for the hook", d)
	}
	removed := time.Now()
	p.remove()
	p.gone()
	term := p.beats("term")
	if len(term) != 1 || term[0].Sub(removed) < 2*time.Second-slack {
		t.Errorf("SIGTERM came at %v, the manifest went at %s", term, removed)
	}
}
