package collect

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLooksLikeASecret: by its form or by what stands before it, with nothing known of it.
func TestLooksLikeASecret(t *testing.T) {
	r := NewRedactor(nil)
	for _, text := range []string{
		"password: hunter2", `password="hunter2 with blanks"`, "DB_PASSWORD=hunter2", "export API_KEY='hunter2'", `{"clientSecret":"hunter2","a":1}`, `msg="{\"token\":\"hunter2\"}"`,
		"--token hunter2 --v=2", "--password=hunter2", "Authorization: Bearer hunter2hunter2", "authorization=Basic hunter2hunter2=", "curl -H 'Authorization: hunter2'",
		"postgres://app:hunter2@db/x", "    auth_pass hunter2", "  user admin insecure-password hunter2", "  stats auth admin:hunter2",
		"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2", "kubeadm join --token abcdef.0123456789abcdef", "admin: $2y$10$hunter2hunter2hunter2hunter2",
		"-----BEGIN RSA PRIVATE KEY-----\nhunter2\nhunter2\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nhunter2", "client-key-data: hunter2",
		"- name: DB_PASSWORD\n  value: hunter2\n", `{"name":"S3_SECRET","value":"hunter2"}`, "identitytoken = \"hunter2\"", "X_TOKENS: hunter2", "Set-Cookie: sid=hunter2",
	} {
		got := string(r.Redact([]byte(text)))
		if strings.Contains(got, "hunter2") || strings.Contains(got, "0123456789abcdef") || !strings.Contains(got, "redacted") {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestIsNoSecret: what helps support stays.
func TestIsNoSecret(t *testing.T) {
	r := NewRedactor([]string{"short", ""})
	for _, text := range []string{
		"kube-system/etcd failing: CrashLooping", "secretName: web-tls", "tokenFile: /var/run/token", "password is wrong", "short of memory", "E1127 03:12:00 1234 kubelet.go:2461] node not found",
		"https://10.0.0.2:6443/livez", "10.244.1.0/24 via 10.0.0.2 dev eth0", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
	} {
		if got := string(r.Redact([]byte(text))); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestKnown(t *testing.T) {
	dir := t.TempDir()
	b64 := base64.StdEncoding.EncodeToString
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.yaml", "kind: Secret\ndata:\n  a: "+b64([]byte("aaaa-in-data"))+"\nstringData:\n  b: bbbb-in-string\n  c: |\n    two lines of it\n    cccc-in-block\n")
	write("pod.yaml", "kind: Pod\nspec:\n  containers:\n  - env:\n    - {name: DB_PASSWORD, value: dddd-by-name}\n    - {name: X, value: A1b2C3d4E5f6G7h8}\n    - {name: HOST, value: db.example.org}\n")
	write("keepalived.conf", "authentication {\n  auth_type PASS\n  auth_pass eeee1234\n}\n")
	write("web.yml", "basic_auth_users:\n  admin: $2y$10$ffffffffffffffffffffff\n")
	write("kubelet.conf", "users:\n- user:\n    token: gggg-token\n    client-key-data: "+b64([]byte("-----BEGIN EC PRIVATE KEY-----\nhhhhKEYLINE\n-----END EC PRIVATE KEY-----\n"))+"\n")
	write("list.yaml", "[a, b]\n---\nkind: Secret\nstringData: {j: jjjj-after-a-list}\n")
	write("broken.yaml", "password: iiii-in-no-yaml\n\t: [")
	r := NewRedactor(Known(dir, filepath.Join(dir, "none")))
	text := "said aaaa-in-data bbbb-in-string cccc-in-block dddd-by-name A1b2C3d4E5f6G7h8 eeee1234 $2y$10$ffffffffffffffffffffff gggg-token hhhhKEYLINE iiii-in-no-yaml jjjj-after-a-list " +
		b64([]byte("bbbb-in-string")) + " at db.example.org"
	got := string(r.Redact([]byte(text)))
	if want := "said" + strings.Repeat(" "+gone, 12) + " at db.example.org"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestKnownInAnyDress: a secret in JSON, in Go's quotes or in a URL is not written as it is.
func TestKnownInAnyDress(t *testing.T) {
	r := NewRedactor([]string{`a"b<c&d\e f`})
	for _, text := range []string{`a"b<c&d\e f`, `a\"b\u003cc\u0026d\\e f`, `a\"b<c&d\\e f`, "a%22b%3Cc%26d%5Ce+f"} {
		if got := string(r.Redact([]byte("x " + text + " y"))); got != "x "+gone+" y" {
			t.Errorf("%s became %s", text, got)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte("password: x\n-----BEGIN PRIVATE KEY-----\n"), "hunter2hunter2")
	f.Add([]byte("kind: Secret\ndata: {a: [b, {c: d}]}"), "x")
	f.Fuzz(func(t *testing.T, text []byte, secret string) {
		var k known
		k.read(text)
		r := NewRedactor(append(k.values, secret))
		if len(secret) < shortest || strings.Contains(gone, secret) || strings.ContainsAny(secret, "[]redact") {
			r.Redact(text)
			return
		}
		if got := string(r.Redact([]byte("a " + secret + " b"))); strings.Contains(got, secret) {
			t.Errorf("%q is in %q", secret, got)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	line := "Nov 27 03:12:00 node1 kubelet[1234]: E1127 03:12:00.123456    1234 kubelet_node_status.go:96] \"Unable to register node with API server\" err=\"Post \\\"https://10.0.0.100:6443/api/v1/nodes\\\": dial tcp 10.0.0.100:6443: connect: connection refused\" node=\"node1\"\n"
	text := []byte(strings.Repeat(line, 4<<20/len(line)))
	r := NewRedactor([]string{"hunter2hunter2", "another secret"})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Redact(text)
	}
}
