package collect

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
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

// TestShapesOfSecrets: how far a value goes. What is behind it stays.
func TestShapesOfSecrets(t *testing.T) {
	r := NewRedactor(nil)
	login := base64.StdEncoding.EncodeToString([]byte("ops:hunter2"))
	key := base64.StdEncoding.EncodeToString([]byte("-----BEGIN RSA PRIVATE KEY-----\nhunter2hunter2hunter2\n"))
	ec := base64.StdEncoding.EncodeToString([]byte("-----BEGIN EC PRIVATE KEY-----\nhunter2hunter2hunter2\n"))
	for _, c := range []struct{ text, want string }{
		// YAML
		{"a: 1\npassword: correct hunter2 battery # note\nb: 2", "a: 1\npassword: [redacted] # note\nb: 2"},
		{"a:\n  password: |\n    hunter2\n\n    battery\n  b: 2", "a:\n  password: [redacted]\n  b: 2"},
		{"- token: >-  # folded\n    hunter2\n    battery\n  b: 2", "- token: [redacted]\n  b: 2"},
		{"token: |2\n   hunter2", "token: [redacted]"},
		{"token: |\r\n  hunter2\r\nb: 2", "token: [redacted]\r\nb: 2"},
		{"password:\n  hunter2\nb: 2", "password:\n  [redacted]\nb: 2"},
		{"password: \"hunter2\n  battery\"\nb: 2", "password: [redacted]\nb: 2"},
		{"password: 'it''s hunter2'\nb: 2", "password: [redacted]\nb: 2"},
		{"tokens:\n- hunter2\n- battery\nb: 2", "tokens:\n[redacted]\nb: 2"},
		{"tokens: [hunter2, 'battery]']\nb: 2", "tokens: [redacted]\nb: 2"},
		{"credentials:\n  user: hunter2\n  more: battery\nb: 2", "credentials:\n  [redacted]\nb: 2"},
		{"credentials: {user: hunter2, more: battery}\nb: 2", "credentials: [redacted]\nb: 2"},
		{"env:\n- name: DB_PASSWORD\n  value: correct hunter2\n- name: A\n  value: b", "env:\n- name: DB_PASSWORD\n  value: [redacted]\n- name: A\n  value: b"},
		{"- name: API_TOKEN\n  value: |\n    hunter2\n- name: A\n  value: b", "- name: API_TOKEN\n  value: [redacted]\n- name: A\n  value: b"},
		{"- value: hunter2\n  name: DB_PASSWORD\n", "- value: [redacted]\n  name: DB_PASSWORD\n"},
		{"- {name: DB_PASSWORD, value: \"hunter2\"}", "- {name: DB_PASSWORD, value: [redacted]}"},
		{"args:\n- --token\n- hunter2\n- --v=2", "args:\n- --token\n- [redacted]\n- --v=2"},
		// JSON
		{`{"password":"hun\"ter2 hunter2","a":1}`, `{"password":[redacted],"a":1}`},
		{`{"password":"x\\","a":1}`, `{"password":[redacted],"a":1}`},
		{`{"pin_token": 4711, "a":1}`, `{"pin_token": [redacted], "a":1}`},
		{`{"token":4711,"a":"b"}`, `{"token":[redacted],"a":"b"}`},
		{`{"tokens":["hunter2","battery"],"a":1}`, `{"tokens":[redacted],"a":1}`},
		{`{"env":[{"name":"DB_PASSWORD","value":"hun\"hunter2"},{"name":"A","value":"b"}]}`, `{"env":[{"name":"DB_PASSWORD","value":[redacted]},{"name":"A","value":"b"}]}`},
		{`{"envs":[{"key":"DB_PASSWORD","value":"hunter2"}]}`, `{"envs":[{"key":"DB_PASSWORD","value":[redacted]}]}`},
		{`{"value":"hunter2","name":"DB_PASSWORD"}`, `{"value":[redacted],"name":"DB_PASSWORD"}`},
		{`{"Env":["DB_PASSWORD=hunter2","A=b"]}`, `{"Env":["DB_PASSWORD=[redacted]","A=b"]}`},
		{`{"args":["--token","hunter2","--v","2"]}`, `{"args":["--token",[redacted],"--v","2"]}`},
		{`msg="{\"token\":\"hunter2 battery\",\"a\":1}" b=2`, `msg="{\"token\":[redacted],\"a\":1}" b=2`},
		{`{"last":"{\"data\":{\"x\":\"y\"},\"password\":\"hun\\\"hunter2\"}"}`, `{"last":"{\"data\":{\"x\":\"y\"},\"password\":[redacted]}"}`},
		{`{"yaml":"a: 1\npassword: correct hunter2\nb: 2"}`, `{"yaml":"a: 1\npassword: [redacted]\nb: 2"}`},
		// Command lines and environments
		{"kubelet --token=hun,ter2;hunter2 --v=2", "kubelet --token=[redacted] --v=2"},
		{"etcdctl --password 'correct hunter2' get x", "etcdctl --password [redacted] get x"},
		{"etcdctl --user root:hunter2 get x", "etcdctl --user root:[redacted] get x"},
		{"curl -u ops:hunter2 https://x", "curl -u ops:[redacted] https://x"},
		{"ETCDCTL_USER=root:hunter2", "ETCDCTL_USER=root:[redacted]"},
		{"kubeadm join --certificate-key 0123hunter2 --v 2", "kubeadm join --certificate-key [redacted] --v 2"},
		{"kubectl create secret generic s --from-literal=password=hunter2 -n x", "kubectl create secret generic s --from-literal=password=[redacted] -n x"},
		{"ETCD_ROOT_PASSWORD=correct hunter2\nA=b", "ETCD_ROOT_PASSWORD=[redacted]\nA=b"},
		{"export SECRET_KEY_BASE=hunter2", "export SECRET_KEY_BASE=[redacted]"},
		{"TOKEN_OF_GITHUB=hunter2\nMY_PWD=hunter2\nPWD=/root", "TOKEN_OF_GITHUB=[redacted]\nMY_PWD=[redacted]\nPWD=/root"},
		{"token=hun,ter2 user=ops", "token=[redacted]"}, // the first of a line: of an environment it is all of it
		{"level=info token=hunter2,hunter2 user=ops", "level=info token=[redacted] user=ops"},
		{"GET /v1?token=hunter2&watch=true", "GET /v1?token=[redacted]&watch=true"},
		{`Environment="DB_PASSWORD=correct hunter2" A=b`, `Environment="DB_PASSWORD=[redacted]" A=b`},
		{`{"Env":["DB_PASSWORD=correct hunter2","A=b"]}`, `{"Env":["DB_PASSWORD=[redacted]","A=b"]}`},
		{`msg="[\"DB_PASSWORD=correct hunter2\",\"A=b\"]"`, `msg="[\"DB_PASSWORD=[redacted]\",\"A=b\"]"`},
		{"curl -H 'X-Token: correct hunter2' x", "curl -H 'X-Token: [redacted]' x"},
		{"password = \"\"\"\nhunter2\n\"battery\"\"\"\nb = 2", "password = [redacted]\nb = 2"},
		{"<db><dbPassword x='1'>hunter2</dbPassword><user>a</user></db>", "<db><dbPassword x='1'>[redacted]</dbPassword><user>a</user></db>"},
		{`<add key="DbPassword" value="hunter2"/>`, `<add key="DbPassword" value=[redacted]/>`},
		// URLs, headers, PEM
		{"postgres://app:hun@hunter2@db:5432/x", "postgres://app:[redacted]@db:5432/x"},
		{"HTTPS://app:hunter2@db/x?a=b@c", "HTTPS://app:[redacted]@db/x?a=b@c"},
		{"git clone https://hunter2hunter2hunter2hunter2@example.org/x", "git clone https://[redacted]@example.org/x"},
		{`-H "Authorization: Token hunter2" x`, `-H "Authorization: [redacted]`},
		{`{"authorization":["Bearer hunter2hunter2"]}`, `{"authorization":[redacted]`},
		{"X-Api-Key: hunter2", "X-Api-Key: [redacted]"},
		{"lJhunter2hunter2hunter2hunter2\nQ2hunter2hunter2hunter2==\n-----END RSA PRIVATE KEY-----\nafter", "[redacted end of a private key]\nafter"},
		{"before it\nlJhunter2hunter2hunter2hunter2\n-----END PRIVATE KEY-----\nafter", "before it\n[redacted end of a private key]\nafter"},
		{"-----BEGIN PGP PRIVATE KEY BLOCK-----\nhunter2\n-----END PGP PRIVATE KEY BLOCK-----\nafter", "[redacted private key]\nafter"},
		{"  tls.key: " + key + "\n  b: 2", "  tls.key: [redacted]\n  b: 2"},
		{"x " + ec + " y", "x [redacted] y"},
		{"ghp_hunter2hunter2hunter2hunter2 x", "[redacted] x"},
		// containerd, keepalived, HAProxy, Flannel
		{"[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"r.example.org\".auth]\n  username = \"ops\"\n  password = \"hunter2\"\n  auth = \"" + login + "\"\n  identitytoken = \"hunter2\"\n[x]",
			"[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"r.example.org\".auth]\n  username = \"ops\"\n  password = [redacted]\n  auth = [redacted]\n  identitytoken = [redacted]\n[x]"},
		{`{"auths":{"r.example.org":{"auth":"` + login + `"}}}`, `{"auths":{"r.example.org":{"auth":[redacted]}}}`},
		{"    auth_pass \"correct hunter2\"", "    auth_pass [redacted]"},
		{"Jan 31 03:12:00 cp1 keepalived[1]: auth_pass hunter2", "Jan 31 03:12:00 cp1 keepalived[1]: auth_pass [redacted]"},
		{"  user ops insecure-password hunter2 groups a", "  user ops insecure-password [redacted]"},
		{"  user ops password hunter2 groups a", "  user ops password [redacted] groups a"},
		{"  http-request set-header Authorization Basic\\ b3BzOmh1bnRlcjI=", "  http-request set-header Authorization [redacted]"},
		{"  http-check send hdr X-Api-Key hunter2", "  http-check send hdr X-Api-Key [redacted]"},
		{"AGE-SECRET-KEY-1HUNTER2HUNTER2HUNTER2 x", "[redacted] x"},
		{"  presetenv DB_PASSWORD hunter2", "  presetenv DB_PASSWORD [redacted]"},
		{`"Backend": {"Type": "ipsec", "PSK": "hunter2"}`, `"Backend": {"Type": "ipsec", "PSK": [redacted]}`},
		{"PrivateKey = hunter2\nPresharedKey = hunter2\nEndpoint = x:1", "PrivateKey = [redacted]\nPresharedKey = [redacted]\nEndpoint = x:1"},
	} {
		got := string(r.Redact([]byte(c.text)))
		if got != c.want {
			t.Errorf("%s\nbecame %s\nwant   %s", c.text, got, c.want)
		}
		if again := string(r.Redact([]byte(got))); again != got && !strings.Contains(got, "[redacted end") {
			t.Errorf("%s\nbecame, once more, %s", got, again)
		}
	}
}

// TestNamesSurvive: hosts and pods may be called after secrets. Their names stay, and what is said of them where it can be no secret.
func TestNamesSurvive(t *testing.T) {
	r := NewRedactor([]string{"secrets", "hunter2"}, "secrets")
	for _, text := range []string{
		"2026-01-31T03:12:00+0000 secrets kubelet[12]: it starts", "2026-01-31T03:12:00+0000 web-secrets kubelet[12]: it starts", "Jan 31 03:12:00 db-token containerd[1]: ok",
		`Get "https://secrets:6443/livez?timeout=10s": EOF`, "dial tcp secrets:6443: connect: connection refused", "dial tcp: lookup api-token: no such host", "lookup secrets: i/o timeout",
		`node="secrets" is well`, `{"node":"secrets","hostname":"web-token","name":"secrets","status":"failing"}`, "nodeName: secrets", "--hostname-override=secrets --v=2", "--node-name secrets",
		"nodeagent-secrets-20260131T031200Z", "kube-system/web-secrets is gone", `"POD_NAME": "api-token"`,
	} {
		if got := string(r.Redact([]byte(text))); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	// No name makes a value known that is one.
	for _, text := range []string{"secrets: hunter2", "secrets=4711", "https://secrets:hunter2@x", "secrets: 6443", "tcp token:x4711", "lookup token: hunter2"} {
		if got := string(r.Redact([]byte(text))); got == text || strings.Contains(got, "4711") || strings.Contains(got, "hunter2") {
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
		"client-certificate-data: " + base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----\nMIIBMIIBMIIB\n")), "auth_type PASS", "auth = tls", "bypass: 3", "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
		"token is not valid", "TOKEN_FILE=/run/token", "--token-ttl 24h", "the secrets", "journalctl -u kubelet --since x", "http://x:80/y", "- name: A\n  value: b", "PWD=/root",
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

// FuzzNamedValue writes a value behind its name as the libraries of each form do, and looks for pieces of it.
func FuzzNamedValue(f *testing.F) {
	for _, seed := range []string{"hunter2hunter2", "a'b\"c\\d hunter2", "two\nlines of hunter2\n", " # hunter2: {x}", "\\\\\"hunter2", "- hunter2", "|hunter2", "x: hunter2\n  y", "\thunter2\r\n\nhunter3", "[hunter2", "'hunter2\n\n  x"} {
		f.Add(seed)
	}
	r := NewRedactor(nil)
	f.Fuzz(func(t *testing.T, secret string) {
		if !utf8.ValidString(secret) || strings.ContainsAny(secret, "\x00\ufeff") {
			return
		}
		piece := regexp.MustCompile(`[A-Za-z0-9]{6,}`).FindAllString(secret, -1)
		type m = map[string]any
		doc := m{"a": 1, "password": secret, "z": m{"dbToken": secret, "y": []any{m{"name": "DB_PASSWORD", "value": secret}}, "tokens": []any{"x", secret}}}
		inJSON, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		pretty, _ := json.MarshalIndent(doc, "", "  ")
		twice, _ := json.Marshal(m{"msg": string(inJSON), "a": 1})
		inYAML, err := yaml.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		yamlInJSON, _ := json.Marshal(m{"data": string(inYAML)})
		texts := map[string]string{
			"JSON": string(inJSON), "pretty JSON": string(pretty), "JSON in JSON": string(twice), "YAML": string(inYAML), "Go": "x password=" + strconv.Quote(secret) + " y",
			"arguments in JSON": fmt.Sprintf(`["--token",%s]`, strings.TrimSpace(string(first(json.Marshal(secret))))), "YAML in JSON": string(yamlInJSON), "URL": "postgres://" + url.UserPassword("app", secret).String() + "@db/x",
		}
		if !strings.ContainsAny(secret, "\r\n") {
			env, _ := json.Marshal([]string{"A=b", "DB_PASSWORD=" + secret, "B=c"})
			texts["environment in JSON"] = string(env)
		}
		if isFlag(secret) { // nobody can tell it from the next one
			delete(texts, "arguments in JSON")
		}
		if oneWord := strings.Join(strings.FieldsFunc(secret, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '\'' }), ""); len(oneWord) > 5 && oneWord[0] != '-' {
			texts["flag"], texts["environment"] = "x --token="+oneWord+" y", "A=b\nDB_PASSWORD="+oneWord+"\n"
			texts["keepalived"] = "  auth_pass " + oneWord + "\n"
		}
		for form, text := range texts {
			got := string(r.Redact([]byte(text)))
			for _, p := range piece {
				if strings.Contains(got, p) && !strings.Contains("a password dbToken DB_PASSWORD redacted private key tokens postgres environment auth_pass certificate", p) {
					t.Errorf("%s: a piece %q of %q is left in\n%s\nwhich was\n%s", form, p, secret, got, text)
				}
			}
		}
	})
}

func first(b []byte, _ error) []byte { return b }

// BenchmarkRedact: a journal, and texts that must cost no more than in proportion to their length.
func BenchmarkRedact(b *testing.B) {
	line := "Nov 27 03:12:00 node1 kubelet[1234]: E1127 03:12:00.123456    1234 kubelet_node_status.go:96] \"Unable to register node with API server\" err=\"Post \\\"https://10.0.0.100:6443/api/v1/nodes\\\": dial tcp 10.0.0.100:6443: connect: connection refused\" node=\"node1\"\n"
	for name, part := range map[string]string{
		"journal": line, "open quotes": `"token":"`, "quotes in a text": `\"a\":`, "open objects": `token:{`, "open lists": `token:[x `, "blocks in one line": "token: |x ", "list of the environment": `"name":"x","value":"y",`, "dashes": " --token",
		"texts in texts": `"\n\"\\n`, "empty lines": "token:\n\n\n", "ends of keys": "-----END PRIVATE KEY-----\n",
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(strings.Repeat(part, 1<<20/len(part)))
			r := NewRedactor([]string{"hunter2hunter2", "another secret"})
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r.Redact(text)
			}
		})
	}
}
