package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

const testFile = "/etc/nodeagent/config.yaml"

// parseOne parses one file with two known conditions.
func parseOne(text string) (*Loaded, error) {
	return Parse([]SourceFile{{testFile, []byte(text)}}, Options{KnownConditions: []string{"RuntimeReady", "NetworkReady"}})
}

// checkRefused compares the lines of an error with want, which leaves out the file's name.
func checkRefused(t *testing.T, err error, want ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error with %d problems", err, len(want))
	}
	got := strings.ReplaceAll(err.Error(), testFile+":", "")
	if want := strings.Join(want, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestParseNothingIsDefault(t *testing.T) {
	for _, text := range []string{"", "\n", "# comment\n", "---\n", "--- {}\n", "{}", "staticPods:\nlog:\nconditions:\n", "conditions: {RuntimeReady: }"} {
		l, err := parseOne(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !reflect.DeepEqual(l.Config, Default()) {
			t.Errorf("%q: got %+v", text, l.Config)
		}
	}
}

func TestDefaultsThatDependOnOthers(t *testing.T) {
	l, err := parseOne("runDir: /tmp/x/\nstaticPods: {mode: run}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Config.API.Socket, "/tmp/x/nodeagent.sock"; got != want {
		t.Errorf("api.socket: got %q, want %q", got, want)
	}
	if got, want := l.Config.StaticPodPath, "/etc/nodeagent/manifests"; got != want {
		t.Errorf("staticPodPath in run mode: got %q, want %q", got, want)
	}
	if got := Default().StaticPodPath; got != "" {
		t.Errorf("staticPodPath in companion mode: got %q, want none", got)
	}
}

func TestParseFaults(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"unknown key": {"nodeNme: x\nstaticPods:\n  mod: run\n", []string{
			`1:1: nodeNme: unknown key; did you mean nodeName?`,
			`3:3: staticPods.mod: unknown key; did you mean mode?`,
		}},
		"key in the wrong group": {"mode: run\nlog: {syncFrequency: 1m}\n", []string{
			`1:1: mode: unknown key; did you mean staticPods.mode or repair.mode?`,
			`2:7: log.syncFrequency: unknown key; did you mean syncFrequency?`,
		}},
		"wrong case": {"nodename: x\n", []string{`1:1: nodename: unknown key; did you mean nodeName?`}},
		"key like no other": {"zzzzzz: x\napi: {zzzzzz: 1}\n", []string{
			`1:1: zzzzzz: unknown key; nodeagent config print lists all keys`,
			`2:7: api.zzzzzz: unknown key; keys here are socket, group`,
		}},
		"keys that are no words": {"1: x\n? [a]\n: y\n\"a\\nb\": z\n", []string{
			`1:1: 1: unknown key; nodeagent config print lists all keys`,
			`2:3: a key is a list; a key is a plain word`,
			`4:1: "a\nb": unknown key; nodeagent config print lists all keys`,
		}},
		"duplicate key": {"stateDir: /a\nlog: {level: info, level: warn}\nstateDir: /b\n", []string{
			`2:20: log.level: is given twice, first on line 2; keep one of the two`,
			`3:1: stateDir: is given twice, first on line 1; keep one of the two`,
		}},
		"durations": {"runtimeProbeTimeout: 0s\nruntimeRequestTimeout: -3s\nruntimeCheckFrequency: 3\nsyncFrequency: soon\nfileCheckFrequency: 48h\n", []string{
			`1:22: runtimeProbeTimeout: 0s is less than 100ms; give a duration from 100ms to 1m, such as 3s`,
			`2:24: runtimeRequestTimeout: -3s is negative; give a duration from 1s to 1h, such as 2m`,
			`3:24: runtimeCheckFrequency: 3 has no unit; give a duration from 100ms to 1h, such as 5s`,
			`4:16: syncFrequency: "soon" is not a duration; give a duration from 100ms to 24h, such as 1m`,
			`5:21: fileCheckFrequency: 48h is more than 24h; give a duration from 100ms to 24h, such as 20s`,
		}},
		"wrong types": {"nodeName: 123\nlog: 5\nsyncFrequency: [1m]\nstaticPods:\n- mode: run\nevents: {maxSize: {a: b}}\napi: {group: true}\n", []string{
			`1:11: nodeName: 123 is a number, not text; put it in quotes: "123"`,
			`2:6: log: is "5", not a group of keys; give keys below it: level, format`,
			`3:16: syncFrequency: is a list; give a duration from 100ms to 24h, such as 1m`,
			`5:1: staticPods: is a list, not a group of keys; give keys below it: mode, evenWithKubeletInstalled, prepareRestarts`,
			`6:19: events.maxSize: is a group of keys; give a size from 64Ki to 1Gi, such as 8Mi`,
			`7:14: api.group: true is true or false, not text; put it in quotes: "true"`,
		}},
		"true and false": {"staticPods: {evenWithKubeletInstalled: yes}\nconditions:\n  RuntimeReady: {enabled: \"false\"}\n  NetworkReady: {enabled: 1}\n", []string{
			`1:40: staticPods.evenWithKubeletInstalled: "yes" is text; give true or false`,
			`3:27: conditions.RuntimeReady.enabled: "false" is text; remove the quotes`,
			`4:27: conditions.NetworkReady.enabled: "1" is a number; give true or false`,
		}},
		"no value": {"runDir:\nsyncFrequency: ~\nmetrics: {listen: \"\"}\n", []string{
			`1:1: runDir: has no value; give the whole path of a folder, starting with /, or remove the line to keep the default`,
			`2:1: syncFrequency: has no value; give a duration from 100ms to 24h, such as 1m, or remove the line to keep the default`,
			`3:19: metrics.listen: is empty; give an address and port, such as ":10071", "127.0.0.1:10071" or "[::1]:10071", or remove the line to keep the default`,
		}},
		"closed sets": {"cgroupDriver: systemdd\nstaticPods: {mode: compagnion}\nlog: {level: loud, format: JSON}\n", []string{
			`1:15: cgroupDriver: "systemdd" is not known; did you mean systemd? It is one of cgroupfs, systemd`,
			`2:20: staticPods.mode: "compagnion" is not known; did you mean companion? It is one of companion, run, off`,
			`3:14: log.level: "loud" is not known; give one of debug, info, warn, error`,
			`3:28: log.format: "JSON" is not known; did you mean json? It is one of auto, json, console, journal`,
		}},
		"numbers": {"crashLoopBackOff: {factor: 0.5, jitter: .nan}\nconditions: {RuntimeReady: {subjects: 1.5}, NetworkReady: {subjects: 0, valid: 0s}}\n", []string{
			`1:28: crashLoopBackOff.factor: 0.5 is less than 1; give a number from 1 to 10`,
			`1:41: crashLoopBackOff.jitter: ".nan" is not a number; give a number from 0 to 1`,
			`2:39: conditions.RuntimeReady.subjects: "1.5" is not a whole number; give a whole number from 1 to 10000`,
			`2:70: conditions.NetworkReady.subjects: 0 is less than 1; give a whole number from 1 to 10000`,
			`2:80: conditions.NetworkReady.valid: 0s is less than 1s; give a duration from 1s to 24h`,
		}},
		"sizes": {"events: {maxSize: 8MB}", []string{
			`1:19: events.maxSize: "8MB" is not a size; give a size from 64Ki to 1Gi, such as 8Mi`,
		}},
		"conditions": {"conditions:\n  RuntimeRedy: {enabled: false}\n  Foo: {}\n  NetworkReady: {valit: 3s}\n", []string{
			`2:3: conditions.RuntimeRedy: no condition has this name; did you mean RuntimeReady?`,
			`3:3: conditions.Foo: no condition has this name; nodeagent status lists the names`,
			`4:18: conditions.NetworkReady.valit: unknown key; did you mean valid?`,
		}},
		"timeouts together": {"runtimeProbeTimeout: 30s\nruntimeRequestTimeout: 20s\ncrashLoopBackOff:\n  initialDelay: 10m\n  maxImagePullPeriod: 1s\n", []string{
			`1:1: runtimeProbeTimeout: 30s is longer than runtimeRequestTimeout (20s, 2); give at most 20s`,
			`4:3: crashLoopBackOff.initialDelay: 10m is longer than crashLoopBackOff.maxContainerRestartPeriod (5m, default); give at most 5m`,
			`5:3: crashLoopBackOff.maxImagePullPeriod: 1s is shorter than crashLoopBackOff.imagePullInitialDelay (2s, default); give at least 2s, or a shorter crashLoopBackOff.imagePullInitialDelay`,
		}},
		"a refused value is not compared": {"runtimeProbeTimeout: 30s\nruntimeRequestTimeout: 20\n", []string{
			`2:24: runtimeRequestTimeout: 20 has no unit; give a duration from 1s to 1h, such as 2m`,
		}},
		"an administrator's kubeconfig": {"components:\n  kubeconfig: /etc/kubernetes/super-admin.conf\n  slowAfter: 4s\n", []string{
			`2:3: components.kubeconfig: /etc/kubernetes/super-admin.conf belongs to an administrator of the cluster; name /etc/kubernetes/kubelet.conf, which has the rights of a node, or leave it empty`,
			`3:3: components.slowAfter: 4s is longer than components.probeTimeout (3s, default); give at most 3s`,
		}},
		"folders together": {"stateDir: /run/nodeagent/\n", []string{
			`1:1: stateDir: /run/nodeagent is both stateDir and runDir; give each a folder of its own: runDir is emptied at a reboot`,
		}},
		"run folder too long for its socket": {"runDir: /" + strings.Repeat("a", 100) + "\n", []string{
			`1:1: runDir: the socket nodeagent.sock in it would have 116 bytes, and the kernel takes 107; give a shorter path, or set api.socket`,
		}},
		"kubelet's file": {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nsyncFrequency: 0s\nstaticPodPath: /etc/kubernetes/manifests\nclusterDNS: [10.96.0.10]\n", []string{
			`2:1: kind: this is kubelet's configuration, which nodeagent finds and reads by itself; of its keys nodeagent knows staticPodPath, syncFrequency; keep what must differ from the default, remove the rest`,
		}},
		"a Pod": {"apiVersion: v1\nkind: Pod\n", []string{
			`2:1: kind: this is a Kubernetes object of kind "Pod", not nodeagent's configuration; a config has no apiVersion and no kind; manifests of pods belong in the folder staticPodPath`,
		}},
		"a list": {"- a\n", []string{`1:1: is a list, not a group of keys; give keys, each on a line, such as syncFrequency: 1m`}},
		"two documents": {"nodeName: a\n---\nnodeName: b\n", []string{
			`2:1: a second YAML document begins here; keep one document a file; remove the '---', or move this part to a file of config.d`,
		}},
		"merge of no group": {"log:\n  <<: [5]\n", []string{`2:8: log: << takes another group of keys; give an alias of one, such as <<: *name`}},
		"long value":        {"nodeName: " + strings.Repeat("A", 200), []string{`1:11: nodeName: "` + strings.Repeat("A", 100) + `..." has capital letters; give ` + strings.Repeat("a", 200)}},
		"escapes":           {"runDir: \"/a\\u001b[31m\"\n", []string{`1:9: runDir: "/a\x1b[31m" has characters that can't be printed; give a plain path`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseOne(c.text)
			checkRefused(t, err, c.want...)
		})
	}
}

func TestSyntaxFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"tab":             {"log:\n\tlevel: info\n", `2:1: not YAML: the line is indented with a tab; indent with spaces`},
		"indent":          {"log:\n  level: info\n format: json\nnodeName: x\n", `3: not YAML: did not find expected key; begin all keys of one group in the same column`},
		"space left over": {"nodeName: x\n\n stateDir: /x\n", `3: not YAML: mapping values are not allowed in this context; a text with ': ' in it needs quotes; a line with no ':' at its key breaks the one after it`},
		"no colon":        {"log\nnodeName: x\n", `2: not YAML: mapping values are not allowed in this context; a text with ': ' in it needs quotes; a line with no ':' at its key breaks the one after it`},
		"open quote":      {"log: {}\nnodeName: \"abc\nsyncFrequency: 1m\n", `2: not YAML: found unexpected end of stream; a quote or bracket that opens here is not closed`},
		"open bracket":    {"log: {level: info\nnodeName: x\n", `1: not YAML: did not find expected ',' or '}'; close the bracket, or put the text in quotes`},
		"IPv6 address":    {"metrics:\n  listen: [::]:10071\n", `2: not YAML: did not find expected node content; close the bracket, or put the text in quotes`},
		"reserved":        {"nodeName: @x\n", `1: not YAML: found character that cannot start any token; put the text in quotes`},
		"anchor":          {"log: *x\n", `1: not YAML: unknown anchor 'x' referenced; define it above with &name, or put the text in quotes`},
		"second document": {"log: {}\n---\nlog: @x\n", `3: not YAML: found character that cannot start any token; put the text in quotes`},
		"not UTF-8":       {"log: {}\nnodeName: é\xff\n", `2:12: is not UTF-8 text; save the file as UTF-8`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseOne(c.text)
			checkRefused(t, err, c.want)
		})
	}
}

func TestHostileFiles(t *testing.T) {
	bomb := "conditions:\n  A0: &a0 {enabled: true}\n"
	for i := range 9 {
		bomb += "  A" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " {<<: [" + strings.Repeat("*a"+string(rune('0'+i))+", ", 9) + "]}\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"bomb":     {bomb, "has more than 10000 values once its aliases are followed; write it without nested aliases"},
		"circle":   {"log: &a {<<: *a}\n", "has more than 10000 values once its aliases are followed; write it without nested aliases"},
		"too much": {"# " + strings.Repeat("x", maxFile), "is larger than 1 MiB; is it the right file? A config has a few KiB"},
		"deep":     {"log: " + strings.Repeat("[", 20_000), "1: not YAML: exceeded max depth of 10000; nest less: a config is four levels deep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]SourceFile{{testFile, []byte(c.text)}}, Options{})
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			if got := strings.TrimPrefix(strings.TrimPrefix(e.Error(), testFile+":"), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLaterFilesWin(t *testing.T) {
	l, err := Parse([]SourceFile{
		{"a.yaml", []byte("syncFrequency: 2m\nlog:\n  level: debug\n  format: json\nconditions:\n  A: {enabled: false, subjects: 7}\n  B: {valid: 1m}\n")},
		{"b.yaml", []byte("\nlog: {level: warn}\nconditions: {A: {enabled: true, valid: 9s}}\nevents: {maxSize: 1048576}\n")},
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := Default()
	want.SyncFrequency = 2 * time.Minute
	want.Log = Log{Level: "warn", Format: "json"}
	want.Events.MaxSize = 1 << 20
	want.Conditions = map[string]Condition{"A": {&yes, 9 * time.Second, 7}, "B": {nil, time.Minute, 0}}
	if !reflect.DeepEqual(l.Config, want) {
		t.Errorf("got %+v, want %+v", l.Config, want)
	}
	for key, want := range map[string]string{
		"syncFrequency":         "a.yaml:1",
		"log.level":             "b.yaml:2",
		"log.format":            "a.yaml:4",
		"conditions.A.enabled":  "b.yaml:3",
		"conditions.A.subjects": "a.yaml:6",
		"conditions.B.valid":    "a.yaml:7",
		"events.maxSize":        "b.yaml:4",
		"api.socket":            "default",
	} {
		if o, ok := l.Origins[key]; !ok || o.String() != want {
			t.Errorf("%s comes from %q, want %q", key, o, want)
		}
	}
}

func TestFaultsOfAllFilesAtOnce(t *testing.T) {
	_, err := Parse([]SourceFile{
		{"b.yaml", []byte("syncFrequency: 5\nrunDir: x\n")},
		{"a.yaml", []byte("log: @\n")},
		{"c.yaml", []byte("syncFrequency: 5m\nruntimeRequestTimeout: 1s\n")},
	}, Options{})
	checkRefused(t, err,
		`b.yaml:1:16: syncFrequency: 5 has no unit; give a duration from 100ms to 24h, such as 1m`,
		`b.yaml:2:9: runDir: "x" is a relative path; give the whole path, starting with /`,
		`a.yaml:1: not YAML: found character that cannot start any token; put the text in quotes`,
		`c.yaml:2:1: runtimeRequestTimeout: 1s is shorter than runtimeProbeTimeout (3s, default); give at least 3s, or a shorter runtimeProbeTimeout`,
	)
}

func TestAliasesAndMerges(t *testing.T) {
	l, err := parseOne("conditions:\n  RuntimeReady: &slow {valid: 1m, subjects: 5}\n  NetworkReady:\n    <<: *slow\n    valid: 2m\nruntimeCheckFrequency: &t 7s\nsyncFrequency: *t\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Config.Conditions["NetworkReady"], (Condition{nil, 2 * time.Minute, 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := l.Config.SyncFrequency, 7*time.Second; got != want {
		t.Errorf("syncFrequency: got %v, want %v", got, want)
	}
	_, err = parseOne("conditions:\n  RuntimeReady: &a {valit: 1m}\n  NetworkReady: {<<: *a}\n")
	checkRefused(t, err,
		`2:21: conditions.RuntimeReady.valit: unknown key; did you mean valid?`,
		`2:21: conditions.NetworkReady.valit: unknown key; did you mean valid?`,
	)
}
