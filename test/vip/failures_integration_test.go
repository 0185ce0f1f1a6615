//go:build integration

package vip

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// step is one thing that goes wrong in a lab whose VIP is on the first node before and after.
type step struct {
	name string
	do   func(t *testing.T)
	want string // the nodes that have the VIP then; "one": any one of them
	undo func(t *testing.T)
}

// play runs steps and answers how the VIP moved in each.
func (l *lab) play(t *testing.T, steps []step, limit time.Duration) {
	t.Helper()
	for _, s := range steps {
		ok := t.Run(s.name, func(t *testing.T) {
			begin := time.Now()
			s.do(t)
			if s.want == "one" {
				l.tl.UntilOne(t, time.Duration(5*l.tempo.advert*float64(time.Second)), limit) // longer than a backup waits for its master
			} else {
				l.tl.Until(t, s.want, 500*time.Millisecond, limit)
			}
			if to := strings.Fields(s.want); len(to) > 0 && s.want != "one" {
				t.Logf("MEASURED v%d/%v | %s | %v", l.tempo.version, l.tempo.advert, s.name, l.tl.Since(begin, to[len(to)-1]))
			}
			s.undo(t)
			l.tl.Until(t, "0", time.Second, limit)
		})
		if !ok {
			return
		}
	}
}

func nothing(*testing.T) {}

// each does f for every node.
func (l *lab) each(f func(*node)) func(*testing.T) {
	return func(*testing.T) {
		for _, n := range l.nodes {
			f(n)
		}
	}
}

// stays fails the test if the VIP was anywhere else than on the first node since a moment.
func (l *lab) stays(t *testing.T, since time.Time) {
	t.Helper()
	if most, least := l.tl.Most(since); most != 1 || least != 1 || l.Holders() != "0" {
		t.Errorf("the VIP moved:\n%s", l.tl)
	}
}

// TestDaemon lets one node after the other, and all of them, lose what the VIP needs.
func TestDaemon(t *testing.T) {
	l := newLab(t, "dm", 3, fast, false)
	first := l.nodes[0]
	back := func(n *node) { n.startAgent(); n.await(0) }
	l.play(t, []step{
		{"apiserver killed", func(*testing.T) { first.apiserver.Kill() }, "1", func(*testing.T) { first.startAPIServer() }},
		{"apiserver refuses strangers", func(t *testing.T) {
			since := time.Now()
			first.answers("401 0s")
			first.settle()
			l.stays(t, since)
		}, "0", func(*testing.T) { first.answers("200 0s") }},
		{"HAProxy killed", func(*testing.T) {
			first.balancer.Kill()
			first.await(-254)
		}, "1", func(*testing.T) { first.startBalancer() }},
		{"maintenance", func(t *testing.T) {
			if out := first.must("maintenance", "start", "--for", "10m", "new disk"); !strings.Contains(out, "new disk") {
				t.Errorf("it says %q", out)
			}
			if out, _ := first.run("status"); !strings.Contains(out, "new disk") {
				t.Errorf("status says nothing of it:\n%s", out)
			}
		}, "1", func(*testing.T) { first.must("maintenance", "stop") }},
		{"the last fit node may not go", func(t *testing.T) {
			since := time.Now()
			for _, n := range l.nodes[1:] {
				n.apiserver.Kill()
				n.await(-60)
			}
			if out, err := first.run("maintenance", "start", "--for", "10m"); err == nil || !strings.Contains(out, "last node") {
				t.Errorf("it says %q, %v", out, err)
			}
			l.stays(t, since)
		}, "0", func(*testing.T) {
			for _, n := range l.nodes[1:] {
				n.startAPIServer()
				n.await(0)
			}
		}},
		{"agent killed", func(*testing.T) { first.agent.Kill() }, "1", func(*testing.T) { back(first) }},
		{"agent upgraded", func(t *testing.T) {
			since := time.Now()
			first.agent.Stop()
			back(first)
			time.Sleep((terminateDelay + 1) * time.Second) // long enough for keepalived to have noticed
			l.stays(t, since)
		}, "0", nothing},
		{"agents killed on every node", func(t *testing.T) {
			for _, n := range l.nodes {
				n.agent.Kill()
			}
			time.Sleep((terminateDelay + 1) * time.Second)
		}, "one", l.each(back)},
		{"apiserver down on every node", func(*testing.T) {
			for _, n := range l.nodes {
				n.apiserver.Kill()
			}
			for _, n := range l.nodes {
				n.await(-180) // and the balancers have no live server
			}
		}, "one", l.each(func(n *node) { n.startAPIServer() })},
		{"a bad configuration of the agent on every node", func(t *testing.T) {
			since := time.Now()
			for _, n := range l.nodes {
				n.writeConfig("keepaliv: {}\n")
				if out, err := n.run("reload"); err == nil {
					t.Errorf("%s took it: %s", n.Name, out)
				}
			}
			for _, n := range l.nodes {
				n.agent.Stop()
			}
			l.each(back)(t) // with what was accepted last
			time.Sleep((terminateDelay + 1) * time.Second)
			l.stays(t, since)
			first.says("AgentConfig", "LastAccepted")
		}, "0", l.each(func(n *node) { n.writeConfig(""); n.must("reload") })},
		{"a bad configuration of HAProxy on every node", func(t *testing.T) {
			for _, n := range l.nodes {
				n.File("haproxy.cfg", "frontend x\n    bind nowhere\n")
				n.balancer.Kill()
				n.startBalancer() // it refuses it
			}
			for _, n := range l.nodes {
				n.await(-253) // FAULT is over
			}
		}, "one", l.each(func(n *node) { n.writeBalancer(); n.startBalancer() })},
	}, 25*time.Second)
	for _, n := range l.nodes {
		if !strings.Contains(n.keepalived.Log(), "Entering") {
			t.Errorf("keepalived of %s says nothing:\n%s", n.Name, n.keepalived.Log())
		}
	}
}

// settle waits until the node's daemon has looked at its apiserver again.
func (n *node) settle() {
	n.t.Helper()
	n.must("reload")
	time.Sleep(2 * time.Second) // two looks
}

// TestPods: keepalived and HAProxy as pods of the host's network, which see the verdicts' folder and the check alone.
func TestPods(t *testing.T) {
	l := newLab(t, "pd", 2, fast, true)
	first := l.nodes[0]
	l.play(t, []step{
		{"apiserver killed", func(*testing.T) { first.apiserver.Kill() }, "1", func(*testing.T) { first.startAPIServer() }},
		{"HAProxy killed", func(*testing.T) { first.balancer.Kill() }, "1", func(*testing.T) { first.startBalancer() }},
		{"agent hung", func(*testing.T) { first.agent.Signal(syscall.SIGSTOP) }, "1", func(*testing.T) { first.agent.Signal(syscall.SIGCONT) }},
		{"agents killed on every node", func(t *testing.T) {
			for _, n := range l.nodes {
				n.agent.Kill()
			}
			time.Sleep(9 * time.Second) // the beat is believed for 5 s, then come two checks
		}, "one", l.each(func(n *node) { n.startAgent(); n.await(0) })},
	}, 25*time.Second)
}
