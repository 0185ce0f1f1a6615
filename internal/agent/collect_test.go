package agent

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"nodeagent/internal/component/collect"
	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/kubelet"
)

// plant are secrets, and where each of them stands on the node.
var plant = map[string]string{
	"web":        "$2y$10$wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
	"data":       "in-the-data-of-a-secret",
	"string":     "in-the-stringData-of-a-secret",
	"env":        "in-the-environment",
	"auth_pass":  "vrrp4711",
	"stats":      "in-haproxys-stats",
	"token":      "in-a-kubeconfigs-token",
	"key":        "MHcCAQEEINEVERLEAVESTHISNODEoAoGCCqGSM49AwEHoUQDQgAE",
	"annotation": "in-an-annotation",
}

// planted is a place with all of them, and a text that says them once more, as a log does.
func planted(t *testing.T, mode string) (p *place, path func(string) string, said string) {
	t.Helper()
	p = newPlace(t)
	path = func(name string) string { return filepath.Join(p.dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	key := "-----BEGIN EC PRIVATE KEY-----\n" + plant["key"] + "\n-----END EC PRIVATE KEY-----\n"
	p.write(t, "staticPods: {mode: "+mode+"}", "staticPodPath: "+path("manifests"), "metrics: {listen: \"127.0.0.1:0\", webConfigFile: "+path("web.yml")+"}", "podLogsDir: "+path("logs"),
		"keepalive: {configFile: "+path("keepalived.conf")+", haproxy: {configFile: "+path("haproxy.cfg")+"}}")
	write("web.yml", "basic_auth_users: {admin: '"+plant["web"]+"'}\n")
	write("manifests/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: "+b64(plant["data"])+"}\nstringData: {b: "+plant["string"]+"}\n")
	write("manifests/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: {api-token: "+plant["annotation"]+"}}\nspec:\n  containers:\n  - name: web\n    image: x\n    env: [{name: DB_PASSWORD, value: "+plant["env"]+"}]\n")
	write("keepalived.conf", "vrrp_instance VI_1 {\n  authentication {\n    auth_type PASS\n    auth_pass "+plant["auth_pass"]+"\n  }\n}\n")
	write("haproxy.cfg", "frontend s\n  stats auth admin:"+plant["stats"]+"\n")
	write("kubernetes/kubelet.conf", "users:\n- user: {token: "+plant["token"]+", client-key-data: "+b64(key)+"}\n")
	write("kubernetes/pki/apiserver.key", key)
	var all strings.Builder
	for where, secret := range plant {
		all.WriteString("it says " + secret + " of " + where + ", in base64 " + b64(secret) + "\n")
	}
	write("logs/default_web_1/web/0.log", "2026-01-31T03:12:00.000000000Z stdout F "+strings.ReplaceAll(strings.TrimSpace(all.String()), "\n", "\n2026-01-31T03:12:00.000000000Z stdout F ")+"\n"+
		"2026-01-31T03:12:01.000000000Z stderr F Authorization: Bearer nobodyknowsthistoken\n2026-01-31T03:12:02.000000000Z stderr F the last words\n")
	return p, path, all.String()
}

// TestSecretsStayOnTheNode plants secrets where a node has them, and once more in logs and the timeline, and finds none in a bundle.
func TestSecretsStayOnTheNode(t *testing.T) {
	p, path, said := planted(t, "off")
	ring(t, p.state, event.Event{Kind: event.KindExit, Subject: "default/web", Message: "it ended; " + strings.ReplaceAll(said, "\n", " "), Log: "password=inthelog4711"})
	items, redactor := collectItems(p.o, kubelet.Find(t.TempDir()), []string{path("kubernetes"), path("kubernetes/pki")})
	// Commands tell of the machine under the test, and of nothing that was planted.
	var own []collect.Item
	for _, i := range items {
		if !strings.HasPrefix(i.Name, "journal/") && !strings.HasPrefix(i.Name, "network/") && !strings.HasPrefix(i.Name, "machine/") {
			own = append(own, i)
		}
	}
	var out bytes.Buffer
	if _, err := collect.Write(t.Context(), &out, own, collect.Options{Folder: "b", Redact: redactor.Redact, Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	text := unpacked(t, out.Bytes())
	holdsNone(t, "the bundle", text)
	for _, secret := range []string{"nobodyknowsthistoken", "inthelog4711", plant["key"]} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the bundle", secret)
		}
	}
	for _, want := range []string{"the last words", "it ended", "auth_type PASS", "vrrp_instance VI_1", "apiserver.key", "staticPodPath: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the bundle", want)
		}
	}
}

func holdsNone(t *testing.T, what, text string) {
	t.Helper()
	for where, secret := range plant {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("the secret of %s is in %s: ...%q", where, what, text[max(0, i-80):i+len(form)])
			}
		}
	}
}

// TestSecretsAreNotTold runs the daemon over the same files, damaged ones among them, and finds none of the secrets in what it shows.
func TestSecretsAreNotTold(t *testing.T) {
	p, _, said := planted(t, "companion")
	p.file(t, "manifests/broken.yaml", "kind: Secret\nstringData: {x: "+plant["string"]+"\n")
	p.file(t, "manifests/odd.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: odd}\nspec: {containers: [{name: c, env: "+plant["env"]+"}]}\n")
	p.file(t, "haproxy.cfg", said)
	a := p.build(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.run(ctx) }()
	<-a.supervisor.ready()
	r := httptest.NewRecorder()
	a.metrics.Handler().ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
	holdsNone(t, "the metrics", r.Body.String())
	status, err := json.Marshal(a.status())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), "broken.yaml") {
		t.Errorf("the damaged manifest was not seen: %s", status)
	}
	holdsNone(t, "the status", string(status))
	holdsNone(t, "the configuration", configText(a.settings.Load().loaded))
	stop()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	holdsNone(t, "the timeline", strings.Join(p.timeline(t), "\n"))
}

// ring writes a timeline.
func ring(t *testing.T, dir string, events ...event.Event) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := event.Open(dir, "boot", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		r.Append(e)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // it writes what is in its queue, and ends
	_ = r.Run(ctx)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func unpacked(t *testing.T, b []byte) string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out strings.Builder
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n==> " + h.Name + "\n")
		if _, err := io.Copy(&out, r); err != nil {
			t.Fatal(err)
		}
	}
}
