package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// good is a configuration with nothing wrong. Tests change lines of it.
const good = `global_defs {
    vrrp_version 3
    script_user root
    enable_script_security
}
vrrp_script chk {
    script "/usr/bin/chk --fast"
    interval 1
    timeout 1
    fall 3
    weight -60
}
track_file verdict {
    file /run/nodeagent/verdict/vip
    weight 1
    init_file -60
}
vrrp_track_process agent {
    process nodeagentd
    weight -60
}
vrrp_instance VI {
    state BACKUP
    interface eth0
    virtual_router_id 77
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.0.0.100/24
    }
    track_script {
        chk
    }
    track_file {
        verdict
    }
    track_process {
        agent
    }
}
`

// host is what the good configuration finds.
func host() Host {
	files := map[string]FileFacts{
		"/": {Mode: fs.ModeDir | 0o755}, "/usr": {Mode: fs.ModeDir | 0o755}, "/usr/bin": {Mode: fs.ModeDir | 0o755}, "/usr/bin/chk": {Mode: 0o755},
		"/run/nodeagent/verdict/vip": {Mode: 0o644}, "/run/empty": {Mode: 0o644}, "/run/word": {Mode: 0o644}, "/tmp": {Mode: fs.ModeDir | fs.ModeSticky | 0o777}, "/tmp/chk": {Mode: 0o755},
		"/home": {Mode: fs.ModeDir | 0o755}, "/home/u": {Mode: fs.ModeDir | 0o755, UID: 1000}, "/home/u/chk": {Mode: 0o755},
		"/opt": {Mode: fs.ModeDir | 0o775, GID: 50}, "/opt/chk": {Mode: 0o755}, "/usr/bin/all": {Mode: 0o757}, "/usr/bin/data": {Mode: 0o644}, "/usr/bin/api": {Mode: 0o755},
		"/usr/bin/link": {Mode: 0o755},
	}
	return Host{
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.11")},
		Stat: func(p string) (FileFacts, error) {
			f, ok := files[p]
			if !ok {
				return f, fs.ErrNotExist
			}
			return f, nil
		},
		Resolve: func(p string) (string, error) {
			if p == "/usr/bin/link" {
				return "/home/u/chk", nil
			}
			return p, nil
		},
		Read: func(p string) (string, error) {
			return map[string]string{"/run/nodeagent/verdict/vip": "0\n", "/run/word": "healthy", "/usr/bin/chk": "#!/bin/sh\nexit 0\n",
				"/usr/bin/api": "#!/bin/sh\nAPISERVER_DEST_PORT=8443\nexport APISERVER_VIP=10.0.0.100\ncurl -sfk --max-time 2 https://localhost:${APISERVER_DEST_PORT}/healthz -o /dev/null\n"}[p], nil
		},
		HasUser: func(name string) (bool, error) { return name == "root", nil },
	}
}

// lintText lints a text that lies where a.conf is.
func lintText(t testing.TB, text string, o Options) []Problem {
	t.Helper()
	o.Root = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.Root, "a.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Host == nil {
		h := host()
		o.Host = &h
	}
	if o.ID == "" {
		o.ID = "one"
	}
	got, err := File("/a.conf", o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func rulesOf(problems []Problem) string {
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%s:%d", p.Rule, p.Line))
	}
	return strings.Join(out, " ")
}

func TestGoodHasNoProblems(t *testing.T) {
	if got := lintText(t, good, Options{Verdicts: []string{"vip"}, Balancer: []uint16{8443}}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestRules(t *testing.T) {
	covered := map[string]bool{}
	for _, tt := range []struct {
		name, from, to string // a replacement in good
		want           string
		o              Options
	}{
		{"a typo", "priority 100", "prioritty 100", "UnknownKeyword:26", Options{}},
		{"no VRID", "    virtual_router_id 77\n", "", "VRIDMissing:22", Options{}},
		{"a VRID above 255", "virtual_router_id 77", "virtual_router_id 300", "VRIDMissing:22", Options{}},
		{"VRID 51", "virtual_router_id 77", "virtual_router_id 51", "VRID51:25", Options{}},
		{"an undefined parameter", "virtual_router_id 77", "virtual_router_id $VRID", "NotUnderstood:25", Options{}},
		{"priority 0", "priority 100", "priority 0", "PriorityRange:26", Options{}},
		{"the owner's priority", "priority 100", "priority 255", "PriorityOwner:26", Options{}},
		{"state MASTER", "state BACKUP", "state MASTER", "StateMaster:23", Options{}},
		{"nopreempt", "priority 100", "nopreempt", "NopreemptWithWeight:26", Options{}},
		{"nopreempt of a master", "state BACKUP", "state MASTER\nnopreempt", "StateMaster:23 NopreemptMaster:24 NopreemptWithWeight:24", Options{}},
		{"slow adverts", "advert_int 1", "advert_int 5", "SlowAdvert:27", Options{}},
		{"strict", "vrrp_version 3", "vrrp_version 3\nvrrp_strict", "Strict:3", Options{}},
		{"strict, switched off", "advert_int 1", "advert_int 1\nstrict_mode off", "", Options{}},
		{"its own address as a peer", "advert_int 1", "unicast_peer {\n10.0.0.12\n10.0.0.11\n}", "SelfPeer:29", Options{}},
		{"its own source as a peer", "advert_int 1", "unicast_src_ip 10.0.0.13\nunicast_peer {\n10.0.0.13\n}", "SelfPeer:29", Options{}},
		{"no peers", "advert_int 1", "unicast_peer {\n}", "NoPeers:27", Options{}},
		{"authentication with VRRPv3", "advert_int 1", "authentication {\nauth_type PASS\nauth_pass 12345678\n}", "AuthWithV3:27", Options{}},
		{"a long password", "advert_int 1", "version 2\nauthentication {\nauth_type PASS\nauth_pass 123456789\n}", "AuthPassLong:30", Options{}},

		{"weight 1", "fall 3\n    weight -60", "fall 3\n    weight -1", "WeightBelowGap:32", Options{}},
		{"a weight whose gap is not known", "fall 3\n    weight -60", "fall 3\n    weight -20", "WeightGapUnknown:32", Options{}},
		{"a weight of its own", "        chk\n", "        chk weight -20\n", "WeightGapUnknown:32", Options{}},
		{"weight 0", "fall 3\n    weight -60", "fall 3", "WeightZero:31", Options{}},
		{"a weight out of range", "fall 3\n    weight -60", "fall 3\n    weight -300", "WeightRange:32", Options{}},
		{"no such check", "        chk\n", "        chk\n        nosuch\n", "CheckUndefined:33", Options{}},
		{"an empty block", "    track_script {\n        chk\n    }", "    track_script {\n    }", "CheckUnused:6 TrackEmpty:31", Options{}},
		{"in a sync group", "vrrp_instance VI", "vrrp_sync_group G {\ngroup {\nVI\n}\n}\nvrrp_instance VI", "SyncGroupWeight:37 SyncGroupWeight:40 SyncGroupWeight:43", Options{}},
		{"in a sync group that may weigh", "vrrp_instance VI", "vrrp_sync_group G {\nsync_group_tracking_weight\ngroup {\nVI\n}\n}\nvrrp_instance VI", "", Options{}},
		{"a sync group's missing check", "vrrp_instance VI", "vrrp_sync_group G {\ngroup {\nVX\n}\ntrack_script {\nno\n}\n}\nvrrp_instance VI", "CheckUndefined:27", Options{}},

		{"a slow check", "fall 3", "fall 11", "SlowCheck:6", Options{}},
		{"kubeadm's values", "interval 1\n    timeout 1\n    fall 3\n    weight -60", "interval 3\nfall 10\nweight -2", "SlowCheck:6 NoTimeout:6 WeightGapUnknown:31", Options{}},
		{"fractions", "interval 1", "interval 0.5", "Fraction:8", Options{Version: "2.2.7"}},
		{"fractions for a newer one", "interval 1", "interval 0.5", "", Options{Version: "2.3.1"}},
		{"no script", "    script \"/usr/bin/chk --fast\"\n", "", "ScriptUnset:6", Options{}},
		{"a missing script", "/usr/bin/chk", "/usr/bin/nosuch", "ScriptMissing:7", Options{}},
		{"a relative script", "/usr/bin/chk", "chk", "ScriptMissing:7", Options{}},
		{"not executable", "/usr/bin/chk", "/usr/bin/data", "ScriptNotExecutable:7", Options{}},
		{"writable by everybody", "/usr/bin/chk", "/usr/bin/all", "ScriptWritable:7", Options{}},
		{"in a user's folder", "/usr/bin/chk", "/home/u/chk", "ScriptWritable:7", Options{}},
		{"a link into a user's folder", "/usr/bin/chk", "/usr/bin/link", "ScriptWritable:7", Options{}},
		{"in a group's folder", "/usr/bin/chk", "/opt/chk", "ScriptWritable:7", Options{}},
		{"in a sticky folder", "/usr/bin/chk", "/tmp/chk", "", Options{}},
		{"no user", "    script_user root\n", "", "ScriptUser:5", Options{}},
		{"a user who is not there", "script_user root", "script_user nosuch", "ScriptUser:3", Options{}},
		{"no security", "    enable_script_security\n", "", "ScriptSecurity:5", Options{}},
		{"through the VIP", "/usr/bin/chk --fast", "/usr/bin/chk https://10.0.0.100:6443/livez", "ScriptThroughBalancer:7", Options{}},
		{"kubeadm's script through the balancer", "/usr/bin/chk --fast", "/usr/bin/api", "ScriptThroughBalancer:7", Options{Balancer: []uint16{8443}}},
		{"kubeadm's script without a balancer", "/usr/bin/chk --fast", "/usr/bin/api", "", Options{Balancer: []uint16{6443}}},

		{"no file", "    file /run/nodeagent/verdict/vip\n", "", "FileUnset:13", Options{}},
		{"a file that nobody writes", "file /run/nodeagent/verdict/vip\n    weight 1\n    init_file -60", "file /run/none", "FileUnwritten:14", Options{}},
		{"an empty file", "file /run/nodeagent/verdict/vip", "file /run/empty", "FileUnwritten:14", Options{}},
		{"a file with a word", "file /run/nodeagent/verdict/vip", "file /run/word", "FileNotNumber:14", Options{}},
		{"a verdict that is not written", "verdict/vip", "verdict/api", "VerdictUnknown:14", Options{Verdicts: []string{"vip"}}},
		{"a verdict multiplied by 0", "    weight 1\n    init", "    weight 0\n    init", "VerdictWeight:15 WeightZero:35", Options{}},
		{"a verdict multiplied by 2", "        verdict\n", "        verdict weight 2\n", "VerdictWeight:35", Options{}},
		{"healthy from the start", "init_file -60", "init_file 0", "InitHealthy:16", Options{}},
		{"overwritten", "init_file -60", "init_file -60 overwrite", "InitOverwrite:16", Options{}},
		{"no process", "    process nodeagentd\n", "", "ProcessUnset:18", Options{}},
		{"a process by its path", "process nodeagentd", "process /usr/bin/nodeagent", "ProcessPath:19", Options{}},
		{"the command instead of the daemon", "process nodeagentd", "process nodeagent", "ProcessCommandLine:19", Options{}},
		{"a process by its command line", "process nodeagentd", "process /usr/bin/nodeagent\nfull_command", "", Options{}},

		{"nothing is tracked", good[strings.Index(good, "    track_script"):], "}\n", "CheckUnused:6 CheckUnused:13 CheckUnused:18 NothingTracked:22", Options{}},
		{"nothing at all", good, "global_defs {\n}\n", "NoInstance:0", Options{}},
		{"an open block", "    track_process {\n        agent\n    }\n}\n", "    track_process {\n        agent\n    }\n", "Braces:22", Options{}},
		{"one } too many", "priority 100", "priority 100 }", "UnknownKeyword:28 CheckUnused:6", Options{}},
		{"an open quote", "interface eth0", "interface \"eth0", "Quote:24", Options{}},
		{"a missing include", "priority 100", "include nosuch.conf", "IncludeMissing:26", Options{}},
		{"an include of itself", "priority 100", "include a.conf", "IncludeCycle:26", Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.from, tt.to, 1)
			if text == good {
				t.Fatalf("%q is not in the good configuration", tt.from)
			}
			got := lintText(t, text, tt.o)
			for _, p := range got {
				covered[p.Rule] = true
			}
			if tt.name == "one } too many" { // what follows is lost to the instance: that there are problems is enough
				if len(got) == 0 {
					t.Error("nothing was found")
				}
				return
			}
			if rulesOf(got) != tt.want {
				t.Errorf("got %s, want %s\n%v", rulesOf(got), tt.want, got)
			}
		})
	}
	two := strings.Replace(good, "vrrp_instance VI {", "vrrp_instance V2 {\n    interface eth0\n    virtual_router_id 77\n    virtual_ipaddress {\n        10.0.0.101\n    }\n    track_file {\n        verdict\n    }\n}\nvrrp_instance VI {", 1)
	if got := rulesOf(lintText(t, two, Options{})); got != "VRIDTwice:35" {
		t.Errorf("two instances of one VRID: %s", got)
	}
	covered["VRIDTwice"] = true
	for _, name := range []string{"SamePriority", "StateMasterEverywhere", "TooLarge"} { // of the tests below
		covered[name] = true
	}
	for _, r := range Rules() {
		if !covered[r.Name] {
			t.Errorf("no test breaks %s", r.Name)
		}
		if r.Fix == "" {
			t.Errorf("%s says nothing of what to do", r.Name)
		}
	}
}

func TestOtherNodes(t *testing.T) {
	other := func(t *testing.T, change ...string) Options {
		dir := t.TempDir()
		text := strings.NewReplacer(change...).Replace(good)
		name := filepath.Join(dir, "b.conf")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h := host()
		return Options{Root: dir, ID: "one", Host: &h, Others: []string{"/b.conf"}}
	}
	run := func(t *testing.T, o Options, change ...string) string {
		if err := os.WriteFile(filepath.Join(o.Root, "a.conf"), []byte(strings.NewReplacer(change...).Replace(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := File("/a.conf", o)
		if err != nil {
			t.Fatal(err)
		}
		return rulesOf(got)
	}
	if got := run(t, other(t, "priority 100", "priority 90")); got != "" {
		t.Errorf("a gap of 10: %s", got)
	}
	if got := run(t, other(t, "priority 100", "priority 40")); got != "WeightBelowGap:32 WeightBelowGap:38" {
		t.Errorf("a gap of 60: %s", got)
	}
	if got := run(t, other(t, "priority 100", "priority 90"), "fall 3\n    weight -60", "fall 3\n    weight -20"); got != "" {
		t.Errorf("a weight of 20 over a gap of 10: %s", got)
	}
	if got := run(t, other(t)); got != "SamePriority:26" {
		t.Errorf("one priority: %s", got)
	}
	if got := run(t, other(t, "BACKUP", "MASTER", "priority 100", "priority 90"), "BACKUP", "MASTER"); got != "StateMasterEverywhere:23" {
		t.Errorf("two masters: %s", got)
	}
}

func TestUnsureWithoutAHost(t *testing.T) {
	got := lintText(t, good, Options{Host: &Host{}})
	if want := "NotUnderstood:3 NotUnderstood:7 NotUnderstood:14"; rulesOf(got) != want {
		t.Errorf("got %s, want %s", rulesOf(got), want)
	}
}

func TestSecretsAreNotTold(t *testing.T) {
	text := strings.Replace(good, "advert_int 1", "authentication {\nauth_type PASS\nauth_pass hunter2hunter2\n}", 1)
	if got := fmt.Sprint(lintText(t, text, Options{})); strings.Contains(got, "hunter2") {
		t.Errorf("a problem tells the password: %s", got)
	}
}

func TestLook(t *testing.T) {
	board := health.NewBoard(nil, Conditions()...)
	say := func(problems []Problem, err error) string {
		board.Publish(Look("/etc/keepalived/keepalived.conf", problems, err, time.Minute))
		st, _ := board.Snapshot().Of("KeepalivedConfig")
		e := st.Worst()
		return strings.Join([]string{e.Status.String(), e.ReasonName(), e.Subject}, " ")
	}
	if got := say(lintText(t, strings.Replace(good, "        chk\n", "        nosuch\n", 1), Options{}), nil); got != "failing CheckUndefined /a.conf:32 CheckUndefined" {
		t.Errorf("a mistake: %s", got)
	}
	if got := say(lintText(t, strings.Replace(good, "77", "51", 1), Options{}), nil); got != "ok  " {
		t.Errorf("a warning: %s", got)
	}
	if _, err := File("/nosuch", Options{Root: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) || say(nil, err) != "absent  " {
		t.Errorf("no file: %v, %s", err, say(nil, err))
	}
	if got := say(nil, fs.ErrPermission); got != "unknown Unreadable " {
		t.Errorf("not readable: %s", got)
	}
	// Every error has its reason in the closed set.
	for _, r := range Rules() {
		if r.Severity == Error && !slices.Contains(KeepalivedConfig.Reasons, reasons[r.Name]) {
			t.Errorf("%s is no reason of the condition", r.Name)
		}
	}
}
