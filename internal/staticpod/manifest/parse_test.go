package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kyaml "sigs.k8s.io/yaml"
)

func read1(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// onePod parses a file that must hold one pod and nothing to say about.
func onePod(t *testing.T, data []byte, o Options) Pod {
	t.Helper()
	r := Parse("x.yaml", data, o)
	if len(r.Pods) != 1 || len(r.Problems) != 0 {
		t.Fatalf("want one pod and no problem, got\n%s", report(r))
	}
	return r.Pods[0]
}

func TestKubeadmManifestsAreCleanForAKubelet(t *testing.T) {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		data := read1(t, "kubeadm/"+name+".yaml")
		v := KubeletVerdict("/etc/kubernetes/manifests/"+name+".yaml", data, "CP1")
		if v.Refused || v.Pod == nil || len(v.Problems) > 0 {
			t.Errorf("%s: %+v", name, v)
			continue
		}
		if want := "a kubelet runs " + name + "-cp1"; v.Summary != want {
			t.Errorf("%s: summary %q, want %q", name, v.Summary, want)
		}
		if v.Pod.Key() != "kube-system/"+name {
			t.Errorf("%s: key %s", name, v.Pod.Key())
		}
		onePod(t, data, Options{})
	}
}

func TestKubeletVerdict(t *testing.T) {
	good := string(read1(t, "kubeadm/etcd.yaml"))
	for _, c := range []struct {
		name, file, data, summary string
		refused, runs             bool
		problems                  int
	}{
		{"runs", "/m/etcd", good, "a kubelet runs etcd-n", false, true, 0},
		{"dotfile", "/m/.etcd.yaml", good, "a kubelet does not read the file: its name begins with a dot", false, false, 0},
		{"backup", "/m/etcd.yaml.bak", good, "a kubelet runs etcd-n, but not all of it as written", false, true, 1},
		{"typo in a field", "/m/etcd.yaml", strings.Replace(good, "hostNetwork", "hostNetwrok", 1), "a kubelet runs etcd-n, but not all of it as written", false, true, 1},
		{"typo in YAML", "/m/etcd.yaml", strings.Replace(good, "kind: Pod", "kind Pod", 1), "a kubelet refuses the file, and removes the pod that it ran from it", true, false, 1},
		{"service account", "/m/etcd.yaml", strings.Replace(good, "hostNetwork: true", "serviceAccountName: x", 1), "a kubelet refuses the file, and removes the pod that it ran from it", true, false, 1},
		{"two documents", "/m/etcd.yaml", good + "---\n" + good, "a kubelet runs etcd-n, but not all of it as written", false, true, 1},
		{"too large", "/m/etcd.yaml", good + "#" + strings.Repeat(" ", MaxBytes), "a kubelet refuses the file, and removes the pod that it ran from it", true, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := KubeletVerdict(c.file, []byte(c.data), "n")
			if v.Summary != c.summary || v.Refused != c.refused || (v.Pod != nil) != c.runs || len(v.Problems) != c.problems {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestEverythingSupportedIsTaken(t *testing.T) {
	data := read1(t, "full.yaml")
	p := onePod(t, data, Options{NodeName: "node1"})
	if p.Key() != "monitoring/full" || p.Document != 1 || p.File != "x.yaml" {
		t.Errorf("pod %s of document %d of %s", p.Key(), p.Document, p.File)
	}
	c := p.Spec.Spec.Containers[0]
	if got := c.Resources.Requests.Cpu().MilliValue(); got != 100 {
		t.Errorf("cpu request %dm, want 100m as written", got)
	}
	if got := c.Resources.Requests.Memory().Value(); got != 128<<20 {
		t.Errorf("memory request %d, want that of the limit", got)
	}
	onePod(t, data, Options{NodeName: "node1", Mode: Kubelet})
}

func TestDefaults(t *testing.T) {
	const text = `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {hostNetwork: true, volumes: [{name: v}, {name: h, hostPath: {path: /}}],
  containers: [{name: c, image: a, ports: [{containerPort: 80}], resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}},
    env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]}}`
	p := onePod(t, []byte(text), Options{NodeName: "Node1"})
	got, err := kyaml.Marshal(p.Spec)
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: default
spec:
  containers:
  - env:
    - name: A
      valueFrom:
        fieldRef:
          apiVersion: v1
          fieldPath: metadata.name
    image: a
    imagePullPolicy: Always
    name: c
    ports:
    - containerPort: 80
      hostPort: 80
      protocol: TCP
    resources:
      limits:
        cpu: "1"
        memory: 1Gi
      requests:
        cpu: 500m
        memory: 1Gi
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
  dnsPolicy: ClusterFirst
  hostNetwork: true
  nodeName: Node1
  restartPolicy: Always
  schedulerName: default-scheduler
  securityContext: {}
  terminationGracePeriodSeconds: 30
  volumes:
  - emptyDir: {}
    name: v
  - hostPath:
      path: /
      type: ""
    name: h
status: {}
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPullPolicy(t *testing.T) {
	for image, want := range map[string]corev1.PullPolicy{
		"a":                        corev1.PullAlways,
		"a:latest":                 corev1.PullAlways,
		"r.io:5000/a":              corev1.PullAlways,
		"r.io:5000/a/b:1":          corev1.PullIfNotPresent,
		"a:1":                      corev1.PullIfNotPresent,
		"a@sha256:0123":            corev1.PullIfNotPresent,
		"r.io:5000/a@sha256:01234": corev1.PullIfNotPresent,
		"A":                        corev1.PullIfNotPresent, // no image
		"a:latest@sha256:0123":     corev1.PullIfNotPresent, // neither: a digest has 64 digits
		"a:latest@sha256:" + strings.Repeat("0", 64): corev1.PullAlways,
	} {
		if got := pullPolicy(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}

func TestImageReference(t *testing.T) {
	for image, ok := range map[string]bool{
		"a": true, "a/b/c:1.2-x_Y": true, "localhost/a": true, "r.io:5000/a_b/c__d:v1": true, "R.io/a": true, "nginx:1.27": true,
		"A": false, "a/B": false, "a:": false, "a@": false, "a:@sha256:1": false, "a//b": false, "/a": false, "a/": false, "a:-x": false, "a:x y": false,
		"a@md5:00": false, "a@sha256:" + strings.Repeat("0", 64): true, "a@sha256:" + strings.Repeat("g", 64): false, ":": false, "@": false, "a:" + strings.Repeat("x", 129): false,
		"[::1]:5000/a": true, "[::1]/a": true, "r.io/a.b-c__d--e/f": true, "a/" + strings.Repeat("b", 253): true, strings.Repeat("b", 247): true, "r.io/" + strings.Repeat("b", 255): true,
		"../a": false, "./a": false, "a:1/b": true, "a:x/b": false, "a.:1/b": false, "[::1/b": false, "[]/b": false, "a._b": false, "a-_b": false, "a..b": false, "a___b": false,
		"a/" + strings.Repeat("b", 254): false, strings.Repeat("b", 248): false, "r.io/" + strings.Repeat("b", 256): false, strings.Repeat("0", 64): false, "r.io:/a": false,
	} {
		if got := imageReference(image); (got == "") != ok {
			t.Errorf("%q: %q", image, got)
		}
	}
}

// TestHashNeverChanges holds the hash against values written down once. If it fails, mend the code, not the test: a node
// that is upgraded would restart every static pod.
func TestHashNeverChanges(t *testing.T) {
	for file, want := range map[string]string{
		"full.yaml":                   "v1:976a42432e135e116e03908d8968b3d885a0dc7c31c44efd83873d6d3e152c96",
		"kubeadm/etcd.yaml":           "v1:425025b4dc2fd9ad5abc88f0393554a9cb0d453d9a756476dd8de9f7b6413407",
		"kubeadm/kube-apiserver.yaml": "v1:bb2d433778c3fa4bad979f27a15d06a06f4e8923786f690c59c5bdf0f908a27c",
	} {
		if got := onePod(t, read1(t, file), Options{Mode: Kubelet}).Hash; got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestHashIsOfWhatTheUserWrote(t *testing.T) {
	pod := func(spec string) string {
		return onePod(t, []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"+spec), Options{}).Hash
	}
	base := pod("  hostNetwork: true\n  containers:\n  - name: c\n    image: a:1\n    args: [\"é <&>\"]\n")
	for name, same := range map[string]string{
		"key order":  "  containers:\n  - image: a:1\n    args: [\"é <&>\"]\n    name: c\n  hostNetwork: true\n",
		"formatting": "  {hostNetwork: true, containers: [{name: 'c', image: \"a:1\", args: ['é <&>']}]}\n",
		"comments":   "  # x\n  hostNetwork: true # y\n  containers:\n  - name: c\n    image: a:1\n    args: [\"\\u00e9 <&>\"]\n",
		"anchors":    "  hostNetwork: true\n  containers:\n  - &a\n    name: c\n    image: a:1\n    args: [\"é <&>\"]\n",
	} {
		if pod(same) != base {
			t.Errorf("%s changes the hash", name)
		}
	}
	for name, other := range map[string]string{
		"a value":               "  hostNetwork: true\n  containers:\n  - name: c\n    image: a:2\n    args: [\"é <&>\"]\n",
		"a default written out": "  restartPolicy: Always\n  hostNetwork: true\n  containers:\n  - name: c\n    image: a:1\n    args: [\"é <&>\"]\n",
	} {
		if pod(other) == base {
			t.Errorf("%s does not change the hash", name)
		}
	}

	data := read1(t, "full.yaml")
	asJSON, err := kyaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, asJSON, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if onePod(t, indented.Bytes(), Options{}).Hash != onePod(t, data, Options{}).Hash {
		t.Error("the same pod in JSON has another hash")
	}
	if onePod(t, data, Options{NodeName: "a"}).Hash != onePod(t, data, Options{NodeName: "b", Mode: Kubelet}).Hash {
		t.Error("the node name or the mode changes the hash")
	}
}

func TestCanonicalNumber(t *testing.T) {
	for in, want := range map[string]string{"1": "1", "1.0": "1", "1e3": "1000", "-0": "0", "-0.0": "0", "0.5": "0.5", "1e21": "1e+21", "12345678901234567890123": "1.2345678901234568e+22", "9223372036854775807": "9223372036854775807"} {
		if got := canonicalNumber(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestUID(t *testing.T) {
	// Written down once: another value is another pod for everything on the node that knows it.
	if got, want := UID("default", "web", "node1"), "a39325eb-75e1-8a1a-92f2-0353131ecea8"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	seen := map[string]bool{}
	for _, s := range [][3]string{{"default", "web", "node1"}, {"default", "web", "node2"}, {"defaultw", "eb", "node1"}, {"", "default", "webnode1"}} {
		u := UID(s[0], s[1], s[2])
		if seen[u] || len(u) != 36 || u[14] != '8' || !strings.ContainsRune("89ab", rune(u[19])) {
			t.Errorf("%v: %s", s, u)
		}
		seen[u] = true
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "a", "B": "$(A)", "E": "", "A B": "space"}
	for in, want := range map[string]string{
		"":             "",
		"plain":        "plain",
		"$(A)":         "a",
		"x$(A)y$(A)":   "xaya",
		"$(B)":         "$(A)", // a value is not expanded again
		"$(E)":         "",
		"$(NO)":        "$(NO)",
		"$$(A)":        "$(A)",
		"$$$(A)":       "$a",
		"$$$$(A)":      "$$(A)",
		"$$A":          "$A",
		"$A":           "$A",
		"$":            "$",
		"$$":           "$",
		"a$":           "a$",
		"$(A":          "$(A",
		"$(NO$(A)":     "$(NO$(A)",
		"$()":          "$()",
		"$(A B)":       "space",
		"$é$(A)":       "$éa",
		"$(A))":        "a)",
		"${A} $(( 1))": "${A} $(( 1))",
		"$($(A)":       "$($(A)",
	} {
		if got := Expand(in, env); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestIgnoredName(t *testing.T) {
	for name, want := range map[string]string{
		"web.yaml": "", "web": "", "web.json": "", "web.yml": "", "10-web.conf": "", "backup.yaml": "", "web.bakery": "", "a#b.yaml": "", "ucf-web": "",
		".web.yaml": ".", "..data": ".", ".#web.yaml": ".", ".web.yaml.swp": ".", ".": ".", "": ".",
		"web.yaml.bak": "*.bak", "WEB.YAML.BAK": "*.bak", "web.yaml.backup": "*.backup", "web.yaml.orig": "*.orig", "web.yaml.save": "*.save", "web.yaml~": "*~", "#web.yaml#": "#*#",
		"web.yaml.swp": "*.swp", "web.yaml.swo": "*.swo", "web.tmp": "*.tmp", "web.yaml.rpmsave": "*.rpmsave", "web.yaml.rpmnew": "*.rpmnew", "web.yaml.rpmorig": "*.rpmorig",
		"web.yaml.dpkg-old": "*.dpkg-old", "web.yaml.dpkg-new": "*.dpkg-new", "web.yaml.dpkg-dist": "*.dpkg-dist", "web.yaml.dpkg-tmp": "*.dpkg-tmp",
		"web.yaml.rej": "*.rej", "web.yaml.old": "*.old", "web.yaml.swx": "*.swx", "web.yaml.swn": "*.swn", "web.yaml.bak2": "*.bak[0-9]", "web.yaml.temp": "*.temp", "web.yaml.part": "*.part",
		"web.yaml.crdownload": "*.crdownload", "web.yaml.kate-swp": "*.kate-swp", "web.yaml.bck": "*.bck", "Copy of web.yaml": "", "web.yaml.orig~": "*~", "web.yaml.~1~": "*~", "web.yaml.dpkg-inst": "*.dpkg-inst",
		"web.yaml.ucf-old": "*.ucf-*", "web.yaml.disabled": "*.disabled", "web.yaml.save.1": "*.save.[0-9]",
	} {
		reason, ignored := IgnoredName(name)
		switch want {
		case "":
			if ignored {
				t.Errorf("%q is ignored: %s", name, reason)
			}
		case ".":
			if !ignored || reason != "" {
				t.Errorf("%q: ignored %v, reason %q; want in silence", name, ignored, reason)
			}
		default:
			if !ignored || !strings.HasPrefix(reason, "its name matches "+want+" (") {
				t.Errorf("%q: ignored %v, reason %q; want one that names %s", name, ignored, reason, want)
			}
		}
	}
	for _, n := range notManifests {
		if _, err := filepath.Match(n.pattern, "x"); err != nil {
			t.Errorf("%s: %v", n.pattern, err)
		}
	}
}

func TestMessagesHoldNoValues(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: a, env: [{name: A, value: [SECRET]}]}]}\n",
		"apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: a, command: SECRET, env: SECRET, args: {a: SECRET}}]}\n",
		"apiVersion: v1\nkind: Secret\nstringData: {a: SECRET}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: SECRET, b: [SECRET], c: {a: SECRET}, d: \"SECRET\\n\"}\nstringData: SECRET\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: SECRET/\nstringData: {a: |\nSECRET\n}\n", "apiVersion: v1\nkind: Secret\nstringData:\n  a: |\n  SECRET\n SECRET\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: A}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: U0VDUkVU}\nstringData: {.dockerconfigjson: SECRET}\n",
		"{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"a\"}, \"stringData\": {\"a\": \"SECRET\", \"a\": \"SECRET\", \"b\": [\"SECRET\"]}}",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A}\ndata: {password: SECRET, x: \"token: SECRET\\n\", y: \"a://b:SECRET@c\"}\nbinaryData: {z: SECRET!}\n",
		"apiVersion: v1\n? {a: SECRET}\n: SECRET\n", "~: SECRET\n", "a: !!int SECRET\n", "a: !!float SECRET\n", "a: !!binary SECRET*\n", "!!binary SECRET*: a\n",
		"{\"a\": \"SECRET\" SECRET}", "a: \"SECRET\n", "a: |SECRET\n", "a: b: SECRET\n", "a: !SECRET b\n",
	} {
		for _, mode := range []Mode{Run, Kubelet} {
			r := Parse("x.yaml", []byte(text), Options{Mode: mode})
			if got := report(r); strings.Contains(got, "SECRET") || !r.Failed() {
				t.Errorf("%q says\n%s", text, got)
			}
		}
	}
}

func TestTextThatIsNoUTF8(t *testing.T) {
	got := report(Parse("x.yaml", []byte("a: b\nc: \xff\n"), Options{}))
	if want := "x.yaml:2: the file is not UTF-8 text; save it as UTF-8\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestByteOrderMarkAndCarriageReturns(t *testing.T) {
	text := strings.ReplaceAll("\ufeff---\n"+string(read1(t, "full.yaml"))+"...\n", "\n", "\r\n")
	onePod(t, []byte(text), Options{})
}

// TestNothingIsDropped: YAML also ends lines at a lone carriage return and at Unicode's line separators.
func TestNothingIsDropped(t *testing.T) {
	const pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}"
	for _, text := range []string{pod + "\r---\r" + pod, pod + "\u2028---\u2028" + pod, pod + "\u0085--- " + pod, pod + "\n" + pod, pod + "\n]"} {
		if r := Parse("x.yaml", []byte(text), Options{}); !r.Failed() || len(r.Pods) > 0 {
			t.Errorf("%q says\n%s", text, report(r))
		}
	}
}
