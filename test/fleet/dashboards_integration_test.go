//go:build integration

package fleet

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	packaged = "../../packaging"
	// patience is for a Prometheus on a busy machine; everything that is waited for comes within seconds.
	patience = 4 * time.Minute
)

// The nodes of a test, by what becomes of them.
const (
	well  = 0
	ill   = 1
	known = 2 // somebody knows of what is wrong with it
)

// start has a Prometheus that scrapes simulated nodes, and whatever more is given as targets.
func start(t *testing.T, nodes int, more string) (context.Context, *Fleet, *Prometheus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	f, err := Serve(nodes, "0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p, err := StartPrometheus(ctx, t.TempDir(), filepath.Join(packaged, "prometheus"), f.Targets(1)+more, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return ctx, f, p
}

func boards(t *testing.T) map[string]Board {
	t.Helper()
	b, err := Boards(filepath.Join(packaged, "grafana", "dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// TestEveryPanelHasData: with everything that can be wrong wrong on one node, no variable and no panel of any dashboard is empty.
func TestEveryPanelHasData(t *testing.T) {
	t.Parallel()
	ctx, f, p := start(t, 3, "")
	for _, fault := range Faults {
		switch fault {
		case Down, PodUnknown, PeerUnknown: // they would hide others
		case Muted, Maintenance: // they take what fails out of the fleet's lists
			f.Nodes[known].Set(fault, true)
		default:
			f.Nodes[ill].Set(fault, true)
		}
	}
	for name, b := range boards(t) {
		for _, v := range b.Templating.List {
			query, _ := v.Query.(string)
			if v.Type != "query" {
				continue
			}
			m := labelValues.FindStringSubmatch(everyNode.Fill(query))
			if m == nil {
				t.Errorf("%s: variable %s asks %q", name, v.Name, query)
				continue
			}
			var err error
			if Await(ctx, func() bool {
				var values []string
				values, err = p.Values(ctx, m[2], m[1])
				return err == nil && len(values) > 0
			}) != nil {
				t.Fatalf("%s: variable %s has no value: %v", name, v.Name, err)
			}
		}
		for _, panel := range b.Panels {
			for _, q := range panel.Targets {
				var err error
				if Await(ctx, func() bool {
					var got []Sample
					got, err = draw(ctx, p, panel, q.Expr)
					return err == nil && len(got) > 0
				}) != nil {
					t.Fatalf("%s: %s %s is empty (%v): %s", name, panel.Title, q.RefID, err, everyNode.Fill(q.Expr))
				}
			}
		}
	}
}

// rates is the window of rates of a Prometheus that scrapes once a second.
const rates = 5 * time.Second

// everyNode is chosen where nothing is.
var everyNode = Choice{Window: rates}

// draw asks as the panel does.
func draw(ctx context.Context, p *Prometheus, panel Panel, expr string) ([]Sample, error) {
	if panel.Type == "stat" || panel.Type == "table" {
		return p.Query(ctx, everyNode.Fill(expr))
	}
	return p.QueryRange(ctx, everyNode.Fill(expr), 30*time.Second, time.Second)
}

// shown is a part of what a panel shows of one chosen node while a fault lasts, and only then: labels, without the node's name, and the value.
type shown struct{ board, panel, part string }

// faultsShown says for each fault which panels are meant for it. PEER is the node's first peer.
var faultsShown = map[Fault][]shown{
	Down:             {{"fleet", "Not reached", "1"}},
	PodCrashes:       {{"fleet", "Failing", "1"}, {"node", "Conditions", "condition=StaticPods 0"}, {"static-pods", "Ready", "namespace=kube-system pod=pod0 0"}, {"static-pods", "Not running", "1"}, {"static-pods", "Time to the next start", "namespace=kube-system pod=pod0 >0"}, {"static-pods", "OOM kills", ">0"}},
	PodUnknown:       {{"static-pods", "Unknown", "1"}, {"fleet", "Unknown", "1"}},
	RuntimeHangs:     {{"fleet", "What fails", "condition=RuntimeResponsive reason=Hung 0"}, {"runtime", "Failed calls", "code=DeadlineExceeded >0"}},
	CanaryFails:      {{"runtime", "Canary", "handler=crun path=cri 0"}, {"fleet", "Failing subjects by condition", "condition=RuntimeCanary 1"}},
	DiskFills:        {{"runtime", "Free space for images", "path=/var/lib/containerd 0.00390625"}},
	PeerLost:         {{"flannel", "Peers", "peer=PEER 0"}, {"flannel", "Loss", "peer=PEER 1"}, {"flannel", "Ways that are closed", "1"}},
	PeerUnknown:      {{"flannel", "Unknown", "1"}},
	Unfit:            {{"vip", "Who holds the VIP", "vrrp_instance=VI_1 3"}, {"vip", "Verdicts", "policy=default -254"}, {"vip", "Transitions", "vrrp_instance=VI_1 >0"}, {"vip", "Unfit nodes", "1"}},
	ServerDown:       {{"vip", "Servers down", "1"}, {"vip", "Queue", "backend=apiserver 9"}},
	BalancerDead:     {{"vip", "HAProxy answers", "0"}},
	CertificateEnded: {{"certificates", "Ended", "1"}, {"certificates", "Conditions", "0"}},
	ConfigRefused:    {{"node", "Configuration", "0"}},
	TaskPanics:       {{"node", "Restarts of the agent's tasks", ">0"}},
	RepairsUsedUp:    {{"node", "Repairs that are left", "action=restart-runtime 0"}},
	Maintenance:      {{"fleet", "Maintenance", "1"}, {"node", "Maintenance", "1"}},
	Muted:            {{"node", "Mutes", "condition=StaticPods 1"}},
}

// TestFaultsShow: each fault, on a node of its own, changes what the panels that are meant for it show of that node, and is gone from them when it is
// over.
func TestFaultsShow(t *testing.T) {
	t.Parallel()
	ctx, f, p := start(t, 1+len(Faults), "")
	w := watched{t, ctx, p, boards(t)}
	for _, phase := range []struct {
		on   bool
		says string
	}{{false, "before it"}, {true, "while it lasts"}, {false, "after it"}} {
		for i, fault := range Faults {
			f.Nodes[1+i].Set(fault, phase.on)
		}
		for i, fault := range Faults {
			if len(faultsShown[fault]) == 0 {
				t.Errorf("no panel is meant for: %s", fault)
			}
			for _, m := range faultsShown[fault] {
				m.part = strings.ReplaceAll(m.part, "PEER", f.Nodes[1+i].network().Peers[0].Subnet.String())
				w.await(f.Nodes[1+i].Name, m, phase.on, string(fault)+": "+phase.says)
			}
		}
	}
	if state := f.Nodes[well].board.Snapshot().Worst(); state.String() != "ok" {
		t.Errorf("node0 is %s: what the panels showed may be of it", state)
	}
}

// watched is a Prometheus that is looked at through the dashboards.
type watched struct {
	t   *testing.T
	ctx context.Context
	p   *Prometheus
	all map[string]Board
}

// await waits until a panel shows something of a node, or does not: for a scrape, an evaluation of the rules, and the window of a rate.
func (w watched) await(node string, m shown, want bool, when string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience/6)
	defer cancel()
	var got []string
	if Await(ctx, func() bool { got = w.texts(node, m); return slices.Contains(got, m.part) == want }) != nil {
		w.t.Fatalf("%s: %s of %s shows %q: %v; it has %q", when, m.panel, m.board, m.part, !want, got)
	}
}

// texts are what the right edge of a panel has now.
func (w watched) texts(node string, m shown) (out []string) {
	w.t.Helper()
	i := slices.IndexFunc(w.all[m.board].Panels, func(x Panel) bool { return x.Title == m.panel })
	if i < 0 {
		w.t.Fatalf("there is no panel %s on %s", m.panel, m.board)
	}
	for _, q := range w.all[m.board].Panels[i].Targets {
		got, err := w.p.Query(w.ctx, Choice{Instance: node, Window: rates}.Fill(q.Expr))
		if err != nil {
			w.t.Fatalf("%s of %s: %v", m.panel, m.board, err)
		}
		for _, s := range got {
			out = append(out, sampleTexts(s)...)
		}
	}
	return out
}

// sampleTexts has the labels in order and the value, and once more that it is above 0: a rate is uneven.
func sampleTexts(s Sample) []string {
	var words []string
	for k, v := range s.Labels {
		if k != "instance" {
			words = append(words, k+"="+v)
		}
	}
	slices.Sort(words)
	head := strings.Join(words, " ")
	out := []string{strings.TrimSpace(fmt.Sprintf("%s %.8g", head, s.Value))}
	if s.Value > 0 {
		out = append(out, strings.TrimSpace(head+" >0"))
	}
	return out
}
