//go:build integration

package dump

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/keepalive/vrrplab"
)

// TestKeepalived asks the real one: it lives on, and tells that it dropped a script that is not there.
func TestKeepalived(t *testing.T) {
	lab := vrrplab.New(t, "du", 1)
	n := lab.Nodes[0]
	verdict := n.File("vip", "-60\n")
	p := n.Keepalived(vrrplab.Conf{
		Version: 3, Advert: 0.2, Priority: 100,
		Blocks: fmt.Sprintf("track_file verdict {\n    file %q\n    weight 1\n}\nvrrp_script there {\n    script /bin/true\n    user root\n}\n"+
			"vrrp_script gone {\n    script \"%s vip\"\n    user root\n}\n", verdict, filepath.Join(n.Dir, "no-such-folder", "nodeagent-check")),
		Instance: "    track_file {\n        verdict\n    }\n    track_script {\n        there\n        gone\n    }\n",
	}.String(), false)
	for end := time.Now().Add(15 * time.Second); !n.HoldsVIP(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("keepalived takes no VIP")
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), timeout)
	defer stop()
	got, err := ask(ctx, "/proc", pidOf(t, n))
	t.Cleanup(func() { os.Remove(filepath.Join("/", file)) })
	if err != nil || len(got) != 1 || got[0].Name != "VI_1" || got[0].Base != 100 || got[0].Effective != 40 {
		t.Fatalf("%+v, %v\n%s", got, err, p.Log())
	}
	if len(got[0].Scripts) != 1 || !strings.Contains(got[0].Scripts[0], "true") {
		t.Errorf("scripts %q", got[0].Scripts)
	}
	f := judge(Seen{Running: true, Tracked: []Tracked{{Name: "VI_1", Script: true, Lowest: -60}}, Dump: got}, time.Now())
	if len(f) != 1 || f[0].Status != health.Failing || f[0].Reason != reasonNotTracked {
		t.Errorf("%+v", f)
	}
	if !n.HoldsVIP() || p.Cmd.Process.Signal(syscall.Signal(0)) != nil {
		t.Errorf("keepalived did not outlive it:\n%s", p.Log())
	}
}

// TestWouldDie: a process that does not handle the signal gets none.
func TestWouldDie(t *testing.T) {
	p := vrrplab.Start(t, nil, filepath.Join(t.TempDir(), "log"), "/bin/sh", nil, "-c", "read x")
	ctx, stop := context.WithTimeout(t.Context(), timeout)
	defer stop()
	if _, err := ask(ctx, "/proc", p.PID()); err != errNotHandled {
		t.Errorf("%v", err)
	}
	if p.Cmd.Process.Signal(syscall.Signal(0)) != nil {
		t.Error("it died")
	}
}

// pidOf is keepalived's parent, which runs behind ip(8).
func pidOf(t *testing.T, n *vrrplab.Node) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(n.Dir, "keepalived.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	if _, err := fmt.Sscan(string(b), &pid); err != nil || slices.Contains([]int{0, 1}, pid) {
		t.Fatalf("keepalived.pid holds %q", b)
	}
	return pid
}
