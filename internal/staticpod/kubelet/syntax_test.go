package kubelet

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseUnit(t *testing.T) {
	got := parseUnit("# c\n[Unit]\nA=1\n[Service]\nExecStart=/bin/x \\\n# inside\n  --a=b \\\n  c\nB = 2 \r\n; c\nno assignment\nC=last\\")
	want := []setting{{"Unit", "A", "1"}, {"Service", "ExecStart", "/bin/x    --a=b    c"}, {"Service", "B", "2"}, {"Service", "C", "last"}}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestParseEnv(t *testing.T) {
	got := parseEnv("# c\nA=1\nB=\"x y\"\n C = '--a=$HOME' \nexport D=d\nE=one\\\ntwo\nF=\"a\\\"b\\\nc\\n\"\nbroken line\nA=2\nG=\nH=--x=1 --y=2  \n=x\nI='open")
	want := map[string]string{"A": "2", "B": "x y", "C": "--a=$HOME", "D": "d", "E": "onetwo", "F": "a\"bc\\n", "G": "", "H": "--x=1 --y=2", "I": "open"}
	if !maps.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"ARGS": "--a=1 '--b=x y'", "ONE": "two words"}
	got := expand(words(`/bin/k $ARGS --c=${ONE} $NONE ${NONE} $$HOME a$b "q w"`), env)
	if want := []string{"/bin/k", "--a=1", "--b=x y", "--c=two words", "", "$HOME", "a$b", "q w"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestParseFlags(t *testing.T) {
	for _, tt := range []struct {
		args string
		want flags
	}{
		{"kubelet --config=/a --config=/b", flags{"config": "/b"}},
		{"kubelet --config /a -v 2 --node-ip=1 --hostname-override n", flags{"config": "/a", "hostname-override": "n"}},
		{"kubelet --config", flags{}},
		{"kubelet -- --config=/a", flags{}},
		{"k3s agent --kubelet-arg=config=/a --kubelet-arg cluster-dns=1.1.1.1 --node-name N --kubelet-arg=v=5", flags{"config": "/a", "cluster-dns": "1.1.1.1", "hostname-override": "N"}},
		{"--config=/not-a-flag-but-the-program", flags{}},
	} {
		if got := parseFlags(strings.Fields(tt.args)); !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.args, got, tt.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	address := strings.TrimPrefix(sick.URL, "http://")
	if !Answers(t.Context(), address) {
		t.Error("a sick kubelet is a kubelet")
	}
	if refused(address) {
		t.Error("a port that is open is refused")
	}
	sick.Close()
	if !refused(address) {
		t.Error("a port that is closed is not refused")
	}
	if Answers(t.Context(), address) {
		t.Error("nobody listens")
	}
	for _, elsewhere := range []string{"192.0.2.1:10248", "localhost:10248", ""} {
		if refused(elsewhere) {
			t.Errorf("%q is no port of loopback", elsewhere)
		}
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if Answers(ctx, mute.Addr().String()) {
		t.Error("it says nothing")
	}
}

func FuzzParseUnit(f *testing.F) {
	f.Add(kubeadmDropin, "KUBELET_EXTRA_ARGS=--a=b")
	f.Add("[Service]\nExecStart=a \\\n", "A='")
	f.Add("=", "A=\"\\")
	f.Add("[Service]\nExecStart=$A ${B", "A=\\")
	f.Fuzz(func(t *testing.T, text, env string) {
		vars := parseEnv(env)
		for k := range vars {
			if k == "" || strings.ContainsAny(k, "=\n") {
				t.Errorf("name %q", k)
			}
		}
		for _, s := range parseUnit(text) {
			if strings.ContainsAny(s.key, "=\n") {
				t.Errorf("key %q", s.key)
			}
			for k := range parseFlags(expand(words(s.value), vars)) {
				if !slices.Contains(wanted, k) {
					t.Errorf("flag %q", k)
				}
			}
		}
	})
}

func FuzzCommonName(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) { commonName(b) })
}
