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

func start(t *testing.T, more string) (context.Context, *Fleet, *Prometheus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	f, err := Serve(3, "0.1.0")
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
	ctx, f, p := start(t, "")
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
			m := labelValues.FindStringSubmatch(Fill(query))
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
					t.Fatalf("%s: %s %s is empty (%v): %s", name, panel.Title, q.RefID, err, Fill(q.Expr))
				}
			}
		}
	}
}

// draw asks as the panel does.
func draw(ctx context.Context, p *Prometheus, panel Panel, expr string) ([]Sample, error) {
	if panel.Type == "stat" || panel.Type == "table" {
		return p.Query(ctx, Fill(expr))
	}
	return p.QueryRange(ctx, Fill(expr), 30*time.Second, time.Second)
}

// shown is a part of what a panel shows while a fault lasts, and only then.
type shown struct{ board, panel, part string }

// faultsShown says for each fault which panels are meant for it.
var faultsShown = map[Fault][]shown{
	Down:             {{"fleet", "Not reached", "1"}},
	PodCrashes:       {{"fleet", "Failing", "1"}, {"node", "Conditions", "condition=StaticPods instance=node1 0"}, {"static-pods", "Ready", "instance=node1 namespace=kube-system pod=pod0 0"}, {"static-pods", "Not running", "1"}, {"static-pods", "Time to the next start", "instance=node1 namespace=kube-system pod=pod0 >0"}, {"static-pods", "OOM kills", ">0"}},
	PodUnknown:       {{"static-pods", "Unknown", "1"}, {"fleet", "Unknown", "1"}},
	RuntimeHangs:     {{"fleet", "What fails", "condition=RuntimeResponsive instance=node1 reason=Hung 0"}, {"runtime", "Failed calls", "code=DeadlineExceeded instance=node1 >0"}},
	CanaryFails:      {{"runtime", "Canary", "handler=crun instance=node1 path=cri 0"}, {"fleet", "Failing subjects by condition", "condition=RuntimeCanary 1"}},
	DiskFills:        {{"runtime", "Free space for images", "instance=node1 path=/var/lib/containerd 0.00390625"}},
	PeerLost:         {{"flannel", "Peers", "instance=node1 peer=10.244.2.0/24 0"}, {"flannel", "Loss", "instance=node1 peer=10.244.2.0/24 1"}, {"flannel", "Ways that are closed", "1"}},
	PeerUnknown:      {{"flannel", "Unknown", "1"}},
	Unfit:            {{"vip", "Who holds the VIP", "instance=node1 vrrp_instance=VI_1 3"}, {"vip", "Verdicts", "instance=node1 policy=default -254"}, {"vip", "Transitions", "instance=node1 vrrp_instance=VI_1 >0"}, {"vip", "Unfit nodes", "1"}},
	ServerDown:       {{"vip", "Servers down", "1"}, {"vip", "Queue", "backend=apiserver instance=node1 9"}},
	BalancerDead:     {{"vip", "HAProxy answers", "instance=node1 0"}},
	CertificateEnded: {{"certificates", "Ended", "1"}, {"certificates", "Conditions", "0"}},
	ConfigRefused:    {{"node", "Configuration", "0"}},
	TaskPanics:       {{"node", "Restarts of the agent's tasks", "instance=node1 >0"}},
	RepairsUsedUp:    {{"node", "Repairs that are left", "action=restart-runtime instance=node1 0"}},
	Maintenance:      {{"fleet", "Maintenance", "1"}, {"node", "Maintenance", "1"}},
	Muted:            {{"node", "Mutes", "condition=StaticPods instance=node1 1"}},
}

// TestFaultsShow: each fault changes what the panels that are meant for it show, and is gone from them when it is over.
func TestFaultsShow(t *testing.T) {
	ctx, f, p := start(t, "")
	all := boards(t)
	for _, fault := range Faults {
		meant := faultsShown[fault]
		if len(meant) == 0 {
			t.Errorf("no panel is meant for: %s", fault)
		}
		for _, phase := range []struct {
			on   bool
			want bool
			says string
		}{{false, false, "shows %q before it"}, {true, true, "does not show %q"}, {false, false, "still shows %q after it"}} {
			f.Nodes[ill].Set(fault, phase.on)
			for _, m := range meant {
				if comes(ctx, func() bool { return shows(ctx, t, p, all, m) == phase.want }) != nil {
					t.Fatalf("%s: %s of %s "+phase.says, fault, m.panel, m.board, m.part)
				}
			}
		}
	}
	if state := f.Nodes[well].board.Snapshot().Worst(); state.String() != "ok" {
		t.Errorf("node0 is %s: what the panels showed may be of it", state)
	}
}

// shows says whether a panel's right edge has the part now.
func shows(ctx context.Context, t *testing.T, p *Prometheus, all map[string]Board, m shown) bool {
	t.Helper()
	i := slices.IndexFunc(all[m.board].Panels, func(x Panel) bool { return x.Title == m.panel })
	if i < 0 {
		t.Fatalf("there is no panel %s on %s", m.panel, m.board)
	}
	for _, q := range all[m.board].Panels[i].Targets {
		got, err := p.Query(ctx, Fill(q.Expr))
		if err != nil {
			t.Fatalf("%s of %s: %v", m.panel, m.board, err)
		}
		for _, s := range got {
			if slices.Contains(sampleTexts(s), m.part) {
				return true
			}
		}
	}
	return false
}

// comes waits for one panel: a scrape, an evaluation of the rules, and the window of a rate.
func comes(ctx context.Context, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience/6)
	defer cancel()
	return Await(ctx, so)
}

// sampleTexts has the labels in order and the value, and once more that it is above 0: a rate is uneven.
func sampleTexts(s Sample) []string {
	var words []string
	for k, v := range s.Labels {
		words = append(words, k+"="+v)
	}
	slices.Sort(words)
	head := strings.Join(words, " ")
	out := []string{strings.TrimSpace(fmt.Sprintf("%s %.8g", head, s.Value))}
	if s.Value > 0 {
		out = append(out, strings.TrimSpace(head+" >0"))
	}
	return out
}
