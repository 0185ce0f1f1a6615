package page

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

func get(t *testing.T, s view.Status, events []event.Event, err error, query string) (string, string) {
	t.Helper()
	r := httptest.NewRequest("GET", "/status"+query, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost"
	w := httptest.NewRecorder()
	pageOf(s, events, err).ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	return w.Body.String(), w.Header().Get("Content-Security-Policy")
}

func TestPageSaysWhatToDo(t *testing.T) {
	got, policy := get(t, degraded(), night(), nil, "")
	for _, want := range []string{
		"<title>failing · node1 · nodeagent</title>", `<meta http-equiv="refresh" content="10">`,
		"Read why it ended: <code>nodeagent pods describe etcd</code>.", "container etcd ended with exit code 1 for the 7th time",
		"2 conditions", "RuntimeReady, NetworkReady", "Maintenance", "a new kernel", "Muted for 46m more (the disk is being changed).",
		"no answer to 20 probes", "FAULT", "192.0.2.10/24 elsewhere", "StaticPodsRunning kube-system/etcd", "3 of 3",
		"1 that this node does not have", "no manifest, no process and no unit of it", "ended with exit code 1", "next start in",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("without %q", want)
		}
	}
	for _, never := range []string{"hunter2", "<script", "javascript:", "ZgotmplZ"} {
		if strings.Contains(got, never) {
			t.Errorf("with %q", never)
		}
	}
	if n := strings.Count(got, "containerd has not answered for 12 s"); n != 1 {
		t.Errorf("what two conditions say alike stands there %d times", n)
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "script-src") {
		t.Errorf("policy %s", policy)
	}
	if strings.Index(got, "StaticPodsRunning <span") > strings.Index(got, "FlannelPeers <span") {
		t.Error("a degraded condition stands before a critical one")
	}
}

func TestPageOfNodesThatLackThings(t *testing.T) {
	got, _ := get(t, empty(), nil, nil, "?refresh=off")
	for _, want := range []string{"no runtime seen", "No static pods are seen.", "Nothing happened.", "2 conditions", "Wait for the first look.", "start again"} {
		if !strings.Contains(got, want) {
			t.Errorf("without %q", want)
		}
	}
	for _, never := range []string{"http-equiv", "Flannel</h2>", "VIP</h2>", "<nil>", "0001-01-01"} {
		if strings.Contains(got, never) {
			t.Errorf("with %q", never)
		}
	}
	if got, _ = get(t, healthy(), nil, errDisk, ""); !strings.Contains(got, "input/output error") || !strings.Contains(got, "all that was looked at is well") || strings.Contains(got, "Nothing happened.") {
		t.Error("an unreadable timeline is not said, or hides the rest")
	}
	s := healthy()
	s.Mode, s.Pods = "off", nil
	if got, _ = get(t, s, nil, nil, ""); !strings.Contains(got, "Static pods are off") {
		t.Error("mode off is not said")
	}
}

// Every text that comes from outside is in the page as a text: each field is given markup, and no tag of it is left.
func TestPageEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>` + "\u202e"
	s := degraded()
	s.Node, s.Version, s.Mode, s.Status, s.Runtime.Name = evil, evil, evil, evil, evil
	s.Maintenance.Reason, s.Maintenance.By = evil, evil
	s.Mutes[0].Reason, s.Mutes[0].Subject = evil, evil
	for i := range s.Conditions {
		s.Conditions[i].Help = evil
		for j := range s.Conditions[i].Subjects {
			x := &s.Conditions[i].Subjects[j]
			x.Name, x.Message, x.Fix, x.Reason = evil, evil, evil, evil
		}
	}
	for i := range s.Pods {
		s.Pods[i].Name, s.Pods[i].Message, s.Pods[i].File, s.Pods[i].Phase = evil, evil, evil, evil
	}
	s.Network.Backend, s.Network.Peers[0].Node, s.Network.Peers[0].Message, s.Network.Peers[0].State = evil, evil, evil, evil
	s.VIP.Verdicts[0].Word, s.VIP.Verdicts[0].Causes[0], s.VIP.Instances[0].Name, s.VIP.Instances[0].VIPs[0].Address = evil, evil, evil, evil
	s.VIP.Balancer.Version, s.VIP.Balancer.Backends[0].Name = evil, evil
	got, _ := get(t, s, []event.Event{{Time: start, Kind: evil, Subject: evil, Reason: evil, Message: evil}}, nil, "")
	if strings.Contains(got, "<script") || strings.Contains(got, "<img") || strings.Contains(got, "\u202e") {
		t.Errorf("markup came through:\n%s", got)
	}
	if n := strings.Count(got, "&lt;script&gt;"); n < 40 {
		t.Errorf("only %d of the texts are shown", n)
	}
}

func TestSpans(t *testing.T) {
	for sentence, want := range map[string][]span{
		"":                     nil,
		"Wait.":                {{Text: "Wait."}},
		"See `a b` and `c`":    {{Text: "See "}, {Text: "a b", Code: true}, {Text: " and "}, {Text: "c", Code: true}},
		"`a` first":            {{Text: "a", Code: true}, {Text: " first"}},
		"one ` alone":          {{Text: "one ` alone"}},
		"`a` and one ` alone.": {{Text: "`a` and one ` alone."}},
	} {
		if got := spans(sentence); !slices.Equal(got, want) {
			t.Errorf("%q: %+v", sentence, got)
		}
	}
}

func TestTimelineIsBounded(t *testing.T) {
	var events []event.Event
	for i := range 500 {
		events = append(events, event.Event{Seq: uint64(i), Time: start.Add(time.Duration(i) * time.Second), Reason: "Started"})
	}
	if got := timeline(events, start); len(got) != timelineMost || got[0].At.Exact != momentOf(events[499].Time, start).Exact {
		t.Errorf("%d lines, the first of %v", len(got), got[0].At)
	}
}
