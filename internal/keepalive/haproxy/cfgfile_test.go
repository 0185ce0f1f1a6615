package haproxy

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParseFile(t *testing.T) {
	b, err := os.ReadFile("testdata/kubeadm.cfg")
	if err != nil {
		t.Fatal(err)
	}
	f := ParseFile(string(b))
	if want := []string{"/run/haproxy/admin.sock"}; !slices.Equal(f.Sockets, want) {
		t.Errorf("sockets %q, want %q", f.Sockets, want)
	}
	if got, want := binds(f), "apiserver *:8443; stats [::1]:9000; stats 127.0.0.1:9000"; got != want {
		t.Errorf("binds %s, want %s", got, want)
	}
	if want := []Route{{"apiserver", "apiserverbackend"}, {"stats", "stats"}}; !slices.Equal(f.Routes, want) {
		t.Errorf("routes %v, want %v", f.Routes, want)
	}
	if len(f.Unsure) != 0 {
		t.Errorf("unsure of %q", f.Unsure)
	}
}

func binds(f File) string {
	var out []string
	for _, b := range f.Binds {
		out = append(out, b.Proxy+" "+b.String())
	}
	return strings.Join(out, "; ")
}

func TestParseFileLines(t *testing.T) {
	for _, tt := range []struct{ name, in, binds, unsure string }{
		{"every form of an address", "frontend a\nbind :80\nbind 0.0.0.0:81\nbind :::82\nbind ipv4@10.0.0.1:83 ssl crt x\nbind [fe80::1]:84", "a *:80; a *:81; a *:82; a 10.0.0.1:83; a [fe80::1]:84", ""},
		{"a range", "listen a\nbind *:8000-8002", "a *:8000; a *:8001; a *:8002", ""},
		{"what is no TCP port", "frontend a\nbind /run/x.sock\nbind abns@x\nbind fd@3\nbind quic4@:443", "", ""},
		{"a variable", "frontend a\nbind \"$ADDR:6443\"", "", "line 2: an environment variable is not known here"},
		{"a name", "frontend a\nbind lb.example.com:6443", "", "line 2: a name instead of an address"},
		{"no port", "frontend a\nbind 10.0.0.1", "", "line 2: an address without a port"},
		{"not a port", "frontend a\nbind *:70000", "", "line 2: not a port"},
		{"a bind of nobody", "backend a\nbind *:80\ndefaults\nbind *:81", "", ""},
		{"quotes and comments", "frontend 'a b'\n\tbind \"*:80\" # bind *:81\n#bind *:82", "a b *:80", ""},
		{"a condition", "frontend a\n.if defined(X)\nbind *:80\n.endif", "a *:80", "line 2: a conditional block"},
		{"a backend of the moment", "frontend a\nuse_backend %[req.hdr(host)]", "", "line 2: the backend is decided at run time"},
		{"a TCP stats socket", "global\nstats socket ipv4@127.0.0.1:9999 level admin", "", "line 2: not a unix socket's path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := ParseFile(tt.in)
			if got := binds(f); got != tt.binds {
				t.Errorf("binds %q, want %q", got, tt.binds)
			}
			if got := strings.Join(f.Unsure, "; "); !strings.HasPrefix(got, tt.unsure) || tt.unsure == "" && got != "" {
				t.Errorf("unsure %q, want %q", got, tt.unsure)
			}
		})
	}
}

func FuzzParseFile(f *testing.F) {
	b, err := os.ReadFile("testdata/kubeadm.cfg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add("listen a\nbind *:1-65535,*:1-65535\nbind \\")
	f.Fuzz(func(t *testing.T, text string) {
		got := ParseFile(text)
		if len(got.Binds) > maxBinds || len(got.Unsure) > 20 {
			t.Fatalf("%d binds, %d unsure lines", len(got.Binds), len(got.Unsure))
		}
		for _, b := range got.Binds {
			if b.Port == 0 || b.Proxy == "" {
				t.Fatalf("bind %+v", b)
			}
		}
		for _, s := range got.Sockets {
			if !strings.HasPrefix(s, "/") {
				t.Fatalf("socket %q", s)
			}
		}
	})
}
