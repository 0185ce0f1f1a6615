package keepalive

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/state"
)

// What `status` shows with no daemon: files that are fresh are believed, others are not, and nothing is written.
func TestLookWithNoDaemon(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: dir, Policies: []Policy{undamped()}, CheckFrequency: time.Second, Proc: proc(t, nil)}
	store := memStore{map[string]any{
		"maintenance": Maintenance{Until: time.Now().Add(time.Hour)},
		"vrrp":        toldState{Boot: state.BootID(), Told: map[string]Told{"VI_1": {State: StateMaster}}},
	}}
	configured := func() Configured {
		return Configured{Found: true, Path: "k.conf", Instances: []Instance{{Name: "VI_1", VIPs: []netip.Prefix{vip}, Verdicts: []string{"vip"}}}}
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	look := func() (Verdict, map[string]health.Finding, View) {
		looks, v := Look(cfg, store, configured)
		found := map[string]health.Finding{}
		for _, l := range looks {
			found[l.Of.Name] = l.Findings[0]
		}
		return v.Verdicts[0], found, v
	}
	v, found, all := look()
	if v.Word != WordUnknown || v.Fit() || found["VIPVerdict"].Status != health.Failing {
		t.Errorf("no files: %+v, %+v", v, found)
	}
	if all.Maintenance == nil || !all.Named || found["Keepalived"].Reason != reasonDown || all.Instances[0].State != StateStopped {
		t.Errorf("%+v, %+v", all, found)
	}
	put("vip", "0\n")
	put(beatName, string(beatText(sinceBoot())))
	if v, found, _ = look(); v.Word != WordOK || !v.Fit() || found["VIPVerdict"].Status != health.OK {
		t.Errorf("fresh files: %+v, %+v", v, found)
	}
	put("vip", "-254\n")
	if v, _, _ = look(); v.Word != WordFault {
		t.Errorf("FAULT: %+v", v)
	}
	put("vip", "0\n")
	put(beatName, string(beatText(sinceBoot()-BeatValid-time.Second)))
	if v, found, _ = look(); v.Word != WordUnknown || found["VIPVerdict"].Status != health.Failing {
		t.Errorf("stale files: %+v, %+v", v, found)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the look wrote something: %v, %v", entries, err)
	}
	if looks, _ := Look(cfg, store, nil); looks[0].Findings[0].Status != health.Unknown {
		t.Errorf("a keepalived.conf that nobody read: %+v", looks[0])
	}
}
