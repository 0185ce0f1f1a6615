package page

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhoMaySeeThePage(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := file("users.yml", "basic_auth_users:\n  anna: $2a$04$YVgIAsF\n")
	onlyTLS := file("tls.yml", "tls_server_config:\n  cert_file: a\n  key_file: b\n")
	asked := file("asked.yml", "tls_server_config:\n  client_auth_type: VerifyClientCertIfGiven\n")
	certificates := file("certs.yml", "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n")
	broken := file("broken.yml", "basic_auth_users: {anna: $2a$04$YVgIAsF\n")
	for _, tc := range []struct {
		name, remote, host, header, config string
		want                               string // in the refusal; empty: the page
	}{
		{"the node itself", "127.0.0.1:4711", "127.0.0.1:10071", "", "", ""},
		{"the node itself by name", "127.0.0.1:4711", "localhost:10071", "", "", ""},
		{"the node itself, IPv6", "[::1]:4711", "[::1]:10071", "", "", ""},
		{"the node itself, mapped", "[::ffff:127.0.0.1]:4711", "127.0.0.1", "", "", ""},
		{"another machine", "192.0.2.7:4711", "192.0.2.1:10071", "", "", "for the node itself"},
		{"another machine that says localhost", "192.0.2.7:4711", "localhost:10071", "", "", "for the node itself"},
		{"no address", "@", "localhost", "", "", "for the node itself"},
		{"a name that was made to lead here", "127.0.0.1:4711", "evil.example.test:10071", "", "", "may be somebody else's"},
		{"a name that begins like ours", "127.0.0.1:4711", "localhost.example.test", "", "", "may be somebody else's"},
		{"a proxy on the node", "127.0.0.1:4711", "127.0.0.1:10071", "X-Forwarded-For", "", "through a proxy"},
		{"TLS without users", "192.0.2.7:4711", "node1:10071", "", onlyTLS, "for the node itself"},
		{"certificates that may be left out", "192.0.2.7:4711", "node1:10071", "", asked, "for the node itself"},
		{"users", "192.0.2.7:4711", "node1:10071", "", users, ""},
		{"users, through a proxy", "127.0.0.1:4711", "node1.example.test", "X-Forwarded-For", users, ""},
		{"certificates", "192.0.2.7:4711", "node1:10071", "", certificates, ""},
		{"a broken file", "127.0.0.1:4711", "127.0.0.1:10071", "", broken, "can't be read"},
		{"no file", "127.0.0.1:4711", "127.0.0.1:10071", "", filepath.Join(dir, "none"), "can't be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := pageOf(healthy(), nil, nil).(*handler)
			h.sources.WebConfigFile = tc.config
			r := httptest.NewRequest("GET", "/status", nil)
			r.RemoteAddr, r.Host = tc.remote, tc.host
			if tc.header != "" {
				r.Header.Set(tc.header, "192.0.2.7")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body := w.Body.String()
			switch {
			case tc.want == "" && (w.Code != http.StatusOK || !strings.Contains(body, "node1")):
				t.Errorf("%d %s", w.Code, body)
			case tc.want != "" && (w.Code != http.StatusForbidden || !strings.Contains(body, tc.want) || strings.Contains(body, "node1")):
				t.Errorf("%d %s", w.Code, body)
			case strings.Contains(body, "YVgIAsF"):
				t.Errorf("a hash is in the answer: %s", body)
			}
		})
	}
}
