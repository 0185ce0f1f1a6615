//go:build integration

package profiles

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/bcrypt"

	"nodeagent/internal/lab/boxtest"
)

// plant is what must not leave the node, by where it stands on it.
var plant = map[string]string{
	"a kubeconfig":                  "in-a-kubeconfigs-token-0815",
	"a key":                         "MHcCAQEEINEVERLEAVESTHISNODEoAoGCCqGSM49AwEHoUQDQgAE",
	"a Secret's data":               "in-the-data-of-a-secret",
	"a Secret's stringData":         "in-the-stringData-of-a-secret",
	"an environment":                "in-an-environment",
	"a manifest that does not load": "in-a-broken-manifest",
	"a manifest to be":              "in-a-manifest-to-be",
	"an annotation":                 "in-an-annotation",
	"keepalived.conf":               "vrrp4711x", // longer than VRRP takes: a finding of the lint
	"haproxy.cfg":                   "in-haproxys-stats",
	"the listener's password":       "open-sesame-4711",
	"a termination message":         "terminal4711",
	"a container's words":           "nobodyknowsthistoken4711",
	"a unit's journal":              "journal4711",
}

// TestSecretsStay plants secrets all over a node with a real runtime, a failing pod and a journal, and finds none of them in what the daemon and
// every command show or write down, but for a container's own words, which root may read. Bundles are made with everything up, and with
// everything down.
func TestSecretsStay(t *testing.T) {
	t.Parallel()
	n := boxtest.Boot(t, "kept")
	images := n.Give(boxtest.ImageArchive(t))
	n.Containerd()
	n.CNI()
	n.Sh("systemctl start containerd.service && ctr --namespace k8s.io images import " + images)
	hash := sow(n)
	n.Sh("dpkg -i " + n.Give(boxtest.ThisTree(t).Plain) + " && nodeagent setup run")
	n.Sh("systemd-run --quiet --wait --unit=crio.service sh -c 'echo the unit says password=" + plant["a unit's journal"] + "; echo it knows " + plant["keepalived.conf"] + " and " + plant["a kubeconfig"] + "'")
	// containerd 1.6 may miss the end of a container that ends at once, and only half a minute later the agent takes it for ended all the same.
	if err := n.Within(3 * n.Patience).Until(`nodeagent pods describe web -o json | tr -d ' \n' | grep -q '"restarts":[1-9]'; nodeagent pods describe quiet -o json | grep -q Running; nodeagent status | grep -q broken.yaml`); err != nil {
		t.Fatalf("%v\n%s", err, n.Sh("nodeagent status; nodeagent pods; journalctl --no-pager -u nodeagent | tail -30"))
	}

	// A container's own words are root's to read. A restart counts a moment before its container has a log.
	for _, c := range []string{"pods logs web --previous", "events --logs", "pods describe web"} {
		if err := n.Until("nodeagent " + c + " | grep -qF '" + plant["a container's words"] + "'"); err != nil {
			t.Errorf("root does not see a container's words by %s: %v\n%s", c, err, n.Sh("nodeagent "+c+" 2>&1 || true"))
		}
	}
	if out := n.Sh("nodeagent events --logs"); !strings.Contains(out, plant["a termination message"]) {
		t.Errorf("root does not see a termination message:\n%s", out)
	}
	for _, c := range []string{
		"status", "status -o json", "status -o yaml", "doctor", "doctor -o json", "events", "events -o json", "pods", "pods -o json", "pods describe quiet", "pods describe quiet -o json",
		"pods verify quiet", "net", "net -o json", "vip", "vip -o json", "vip lint", "vip config --interface node0 --vrid 77 --vip 192.0.2.100/24", "vip haproxy --server a=192.0.2.10:6443",
		"validate /etc/nodeagent/manifests", "validate /root/new", "validate --explain /root/new", "validate --mode kubelet /root/new",
		"config print", "config print --running", "config check", "config reference", "repair plan", "repair plan -o json", "setup run --dry-run", "check StaticPods", "check Manifests", "check Certificates",
		"mute NetworkReady --for 1h", "maintenance start --for 1m why", "maintenance stop", "reload", "pods restart quiet", "version -o json",
	} {
		out, _ := n.Try("nodeagent " + c + " 2>&1") // how it ends is for others to say
		if out == "" {
			t.Errorf("nodeagent %s says nothing", c)
		}
		holdsNone(n, "nodeagent "+c, out, hash)
	}
	n.Put("/root/fetch.pl", []byte(fetch), 0o644)
	auth := base64.StdEncoding.EncodeToString([]byte("ops:" + plant["the listener's password"]))
	for _, path := range []string{"/", "/metrics", "/status", "/-/ready"} {
		out := n.Sh("perl /root/fetch.pl 127.0.0.1:10071 " + path + " " + auth)
		if !strings.Contains(out, "200 OK") {
			t.Errorf("%s: %.300s", path, out)
		}
		holdsNone(n, "HTTP "+path, out, hash)
		holdsNone(n, "HTTP without a password "+path, n.Sh("perl /root/fetch.pl 127.0.0.1:10071 "+path), hash)
	}
	list := n.Sh("perl /root/fetch.pl /run/nodeagent/nodeagent.sock /")
	routes := 0
	for _, word := range strings.Fields(list) {
		if i := strings.Index(word, "/v1/"); i >= 0 {
			routes++
			path := strings.Trim(word[i:], `",`)
			path = strings.NewReplacer("{namespace}", "default", "{name}", "quiet").Replace(path)
			holdsNone(n, "the API's "+path, n.Sh("timeout 3 perl /root/fetch.pl /run/nodeagent/nodeagent.sock "+path+" || true"), hash)
		}
	}
	if routes < 5 {
		t.Errorf("the API has %d routes: %s", routes, list)
	}
	log := n.Sh("journalctl --no-pager -o verbose -u nodeagent")
	if !strings.Contains(log, "PRIORITY=7") {
		t.Error("the daemon does not log at debug")
	}
	holdsNone(n, "the daemon's log", log, hash)

	up := bundle(n, "/root/up.tar.zst")
	holdsNone(n, "the bundle", all(up), hash)
	for file, want := range map[string]string{
		"status.txt": "web", "doctor.txt": "certificates", "events.jsonl": "default/web", "config/effective.yaml": "webConfigFile: /etc/nodeagent/web.yml", "journal/nodeagent.txt": "started",
		"journal/crio.txt": "the unit says password=", "runtime/sandboxes.json": "quiet", "runtime/containers.json": "web", "runtime/version.json": "containerd", "runtime/status.json": "RuntimeReady",
		"runtime/images.json": "pause", "runtime/image-filesystem.json": "io.containerd", "network/address.txt": "192.0.2.10", "network/route.txt": "192.0.2.1", "logs.txt": "the last words",
		"manifests.txt": "apiserver.key", "files/etc/keepalived/keepalived.conf": "auth_type PASS", "files/etc/haproxy/haproxy.cfg": "stats auth", "machine/processes.txt": "containerd", "index.json": `"name"`,
	} {
		if !strings.Contains(up[file], want) {
			t.Errorf("%s of the bundle has no %q: %.400q", file, want, up[file])
		}
	}

	n.Sh("systemctl stop nodeagent containerd; systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald 2>/dev/null || true; rm -f /run/containerd/containerd.sock")
	down := bundle(n, "/root/down.tar.zst")
	holdsNone(n, "the bundle of a node that is down", all(down), hash)
	for file, want := range map[string]string{
		"status.txt": "RuntimeResponsive", "doctor.txt": "runtime", "events.jsonl": "default/web", "journal/nodeagent.txt": "started", "logs.txt": "the last words", "index.json": "runtime/containers.json",
	} {
		if !strings.Contains(down[file], want) {
			t.Errorf("%s of the bundle of a node that is down has no %q: %.400q", file, want, down[file])
		}
	}
	holdsNone(n, "doctor with no daemon", n.Sh("nodeagent doctor 2>&1 || true"), hash)
	holdsNone(n, "status with no daemon", n.Sh("nodeagent status 2>&1 || true"), hash)
}

// sow writes the node's files, and gives the hash of the listener's password.
func sow(n boxtest.Node) string {
	n.T.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(plant["the listener's password"]), bcrypt.MinCost)
	if err != nil {
		n.T.Fatal(err)
	}
	file := func(to, text string) { n.Put(to, []byte(text), 0o600) }
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	key := "-----BEGIN EC PRIVATE KEY-----\n" + plant["a key"] + "\n-----END EC PRIVATE KEY-----\n"
	file("/etc/nodeagent/web.yml", "basic_auth_users: {ops: '"+string(hash)+"'}\n")
	file("/etc/nodeagent/config.d/10-test.yaml", "log: {level: debug}\nmetrics: {listen: \"127.0.0.1:10071\", webConfigFile: /etc/nodeagent/web.yml}\n"+
		"keepalive: {haproxy: {configFile: /etc/haproxy/haproxy.cfg}}\ncrashLoopBackOff: {initialDelay: 100ms, maxContainerRestartPeriod: 1s}\n")
	for _, name := range []string{"admin.conf", "scheduler.conf"} {
		file("/etc/kubernetes/"+name, "apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user: {token: "+plant["a kubeconfig"]+", client-key-data: "+b64(key)+"}\n")
	}
	file("/etc/kubernetes/pki/apiserver.key", key)
	file("/etc/kubernetes/pki/apiserver.crt", key) // put into the wrong file
	file("/etc/keepalived/keepalived.conf", "vrrp_instance VI_1 {\n  interface node0\n  virtual_router_id 77\n  authentication {\n    auth_type PASS\n    auth_pass "+plant["keepalived.conf"]+"\n  }\n  virtual_ipaddress {\n    192.0.2.100/24\n  }\n}\n")
	file("/etc/haproxy/haproxy.cfg", "frontend s\n  bind 127.0.0.1:8404\n  stats enable\n  stats auth admin:"+plant["haproxy.cfg"]+"\n")
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {A: " + b64(plant["a Secret's data"]) + "}\nstringData: {B: " + plant["a Secret's stringData"] + "}\n"
	pod := func(name, env, steps string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, annotations: {example.org/owner: %s}}\nspec:\n  containers:\n  - name: %s\n    image: %s\n    args: [do%s]\n"+
			"    env: [{name: DB_PASSWORD, value: %s}]\n    envFrom: [{secretRef: {name: s}}]\n", name, plant["an annotation"], name, boxtest.Sleeper, steps, env)
	}
	words := fmt.Sprintf(`, "print Authorization: Bearer %s", "print it knows %s and %s and %s", "complain the last words", "write /dev/termination-log password=%s", "exit 1"`,
		plant["a container's words"], plant["a Secret's data"], plant["an environment"], plant["keepalived.conf"], plant["a termination message"])
	file("/etc/nodeagent/manifests/secret.yaml", secret)
	file("/etc/nodeagent/manifests/web.yaml", pod("web", plant["an environment"], words))
	file("/etc/nodeagent/manifests/quiet.yaml", pod("quiet", plant["an environment"], ", hold"))
	file("/etc/nodeagent/manifests/broken.yaml", "kind: Secret\nstringData: {x: "+plant["a manifest that does not load"]+"\n")
	file("/root/new/secret.yaml", strings.ReplaceAll(secret, plant["a Secret's stringData"], plant["a manifest to be"]))
	file("/root/new/quiet.yaml", pod("quiet", plant["a manifest to be"], ", hold"))
	file("/root/new/broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: odd}\nspec: {containers: [{name: c, env: "+plant["a manifest to be"]+"}]}\n")
	return string(hash)
}

// holdsNone looks for what was planted, in base64 too. A pod's own words, which it prints with the rest, are not looked for in its manifest.
func holdsNone(n boxtest.Node, what, text, hash string) {
	n.T.Helper()
	secrets := map[string]string{"the listener's hash": hash}
	for where, s := range plant {
		secrets[where] = s
	}
	for where, s := range secrets {
		for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s))} {
			if i := strings.Index(text, form); i >= 0 {
				n.T.Errorf("%s has the secret of %s: ...%q", what, where, text[max(0, i-120):i+len(form)])
			}
		}
	}
}

// bundle collects into a file of the box and gives its parts. It has to be done in a minute, is root's alone, and tells how far it is.
func bundle(n boxtest.Node, file string) map[string]string {
	n.T.Helper()
	began := time.Now()
	said, err := n.Try("umask 022; nodeagent collect " + file + " 2>&1")
	if err != nil {
		n.T.Fatalf("%v\n%s", err, said)
	}
	if took := time.Since(began); took > 40*time.Second {
		n.T.Errorf("collect took %v", took)
	}
	info, err := os.Stat(n.Path(file))
	if err != nil {
		n.T.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size() > 16<<20 {
		n.T.Errorf("the bundle has mode %v and %d bytes", info.Mode(), info.Size())
	}
	text, err := os.ReadFile(n.Path(file))
	if err != nil {
		n.T.Fatal(err)
	}
	parts, err := unpacked(text)
	if err != nil {
		n.T.Fatal(err)
	}
	if count := len(parts); !strings.Contains(said, "status.json") || !strings.Contains(said, "/") || count < 30 {
		n.T.Errorf("a bundle of %d parts, and it said:\n%s", count, said)
	}
	return parts
}

func unpacked(b []byte) (map[string]string, error) {
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	out := map[string]string{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(h.Name, "/")
		out[name] = string(text)
	}
}

func all(parts map[string]string) string {
	var b strings.Builder
	for name, text := range parts {
		b.WriteString("==> " + name + "\n" + text + "\n")
	}
	return b.String()
}

// fetch asks a socket, or host:port, for a path. The box has no curl.
const fetch = `use IO::Socket::INET; use IO::Socket::UNIX;
my ($at, $path, $auth) = @ARGV;
my $s = $at =~ m{^/} ? IO::Socket::UNIX->new(Peer => $at) : IO::Socket::INET->new(PeerAddr => $at);
die "connect: $!" unless $s;
print $s "GET $path HTTP/1.0\r\nHost: localhost\r\n" . ($auth ? "Authorization: Basic $auth\r\n" : "") . "\r\n";
$s->flush; print while <$s>;
`
