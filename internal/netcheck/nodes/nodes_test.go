package nodes

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"

	"nodeagent/internal/netcheck"
)

const page1 = `{"metadata":{"continue":"more"},"items":[
 {"metadata":{"name":"node1","annotations":{"flannel.alpha.coreos.com/backend-type":"vxlan","flannel.alpha.coreos.com/backend-data":"{\"VNI\":1,\"VtepMAC\":\"0a:00:00:00:77:01\"}",
   "flannel.alpha.coreos.com/backend-v6-data":"{\"VNI\":1,\"VtepMAC\":\"0a:00:00:00:78:01\"}","flannel.alpha.coreos.com/public-ip":"192.168.77.1","flannel.alpha.coreos.com/public-ipv6":"fd00::1"}},
  "spec":{"podCIDR":"10.244.1.0/24","podCIDRs":["10.244.1.0/24","fd00:1::/64"]}},
 {"metadata":{"name":"joining"},"spec":{"podCIDR":"10.244.9.0/24"}}]}`
const page2 = `{"items":[{"metadata":{"name":"node2","annotations":{"flannel.alpha.coreos.com/backend-type":"vxlan","flannel.alpha.coreos.com/backend-data":"odd","flannel.alpha.coreos.com/public-ip":"x"}},
  "spec":{"podCIDR":"10.244.2.0/24"}}]}`

const token = "s3cret-of-the-test"

// stand is an API server that wants the token.
func stand(t *testing.T, status int) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/api/v1/nodes" || r.Header.Get("Authorization") != "Bearer "+token:
			w.WriteHeader(http.StatusUnauthorized)
		case status != http.StatusOK:
			w.WriteHeader(status)
		case r.URL.Query().Get("continue") == "more":
			fmt.Fprint(w, page2)
		default:
			fmt.Fprint(w, page1)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func kubeconfigOf(t *testing.T, name string, s *httptest.Server, ca bool) string {
	t.Helper()
	text := fmt.Sprintf("current-context: b\ncontexts:\n- {name: a, context: {cluster: x, user: x}}\n- {name: b, context: {cluster: c, user: u}}\nclusters:\n- {name: x, cluster: {server: https://192.0.2.1:1}}\n- name: c\n  cluster:\n    server: %s\n", s.URL)
	if ca {
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
		text += "    certificate-authority-data: " + base64.StdEncoding.EncodeToString(b) + "\n"
	}
	text += "users:\n- {name: x, user: {token: other}}\n- {name: u, user: {token: " + token + "}}\n"
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestList(t *testing.T) {
	path := kubeconfigOf(t, "flannel.conf", stand(t, 200), true)
	got, err := fetch(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := []netcheck.Node{
		{Name: "node1", Backend: "vxlan", PublicIP: netip.MustParseAddr("192.168.77.1"), PublicIPv6: netip.MustParseAddr("fd00::1"), VTEP: "0a:00:00:00:77:01", VTEPv6: "0a:00:00:00:78:01",
			Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:1::/64")}},
		{Name: "node2", Backend: "vxlan", Subnets: []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24")}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestRefusals: each says what to do, and none says what the file holds.
func TestRefusals(t *testing.T) {
	good := stand(t, 200)
	broken := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(broken, []byte("clusters: ["+token), 0o600); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(t.TempDir(), "innocent.conf")
	if err := os.Symlink(kubeconfigOf(t, "admin.conf", good, true), linked); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, want string }{
		{"no file", "/nonexistent/x", "no such file"},
		{"an administrator's", kubeconfigOf(t, "super-admin.conf", good, true), "administrator"},
		{"a link to an administrator's", linked, "administrator"},
		{"no YAML", broken, "can be used"},
		{"a server that is not verified", kubeconfigOf(t, "x.conf", good, false), "certificate"},
		{"forbidden", kubeconfigOf(t, "x.conf", stand(t, 403), true), "allowed to list nodes"},
		{"broken", kubeconfigOf(t, "x.conf", stand(t, 500), true), "500"},
	} {
		_, err := fetch(t.Context(), c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestLister(t *testing.T) {
	path := ""
	l := New(func() string { return path }, zap.NewNop())
	pass := func() {
		t.Helper()
		if _, err := l.pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() (int, error) { n, err := l.Nodes(context.Background()); return len(n), err }
	pass()
	if n, err := ask(); n != 0 || err != nil {
		t.Errorf("without a kubeconfig: %d, %v", n, err)
	}
	path = "/nonexistent/x"
	if _, err := ask(); err == nil {
		t.Error("not listed yet, and no error")
	}
	pass()
	if _, err := ask(); err == nil {
		t.Error("it can't be read, and no error")
	}
	s := stand(t, 200)
	path = kubeconfigOf(t, "x.conf", s, true)
	pass()
	if n, err := ask(); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	s.Close() // an API server that is away for a moment takes nothing away
	pass()
	if n, err := ask(); n != 2 || err != nil {
		t.Errorf("while the server is away: %d, %v", n, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(page1))
	f.Add([]byte(`{"items":[{"metadata":{"annotations":{"flannel.alpha.coreos.com/backend-type":"vxlan"}},"spec":{"podCIDRs":["1/2","::/0"]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, _, err := decode(b)
		for _, n := range list {
			if err != nil || n.Backend == "" {
				t.Errorf("%+v, %v", n, err)
			}
		}
	})
}
