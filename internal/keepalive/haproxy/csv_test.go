package haproxy

import (
	"os"
	"strings"
	"testing"
	"time"
)

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseInfo(t *testing.T) {
	i, err := parseInfo(sample(t, "info.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if i.name != "HAProxy" || !strings.HasPrefix(i.version, "2.6.12") || i.pid == 0 || i.uptime <= 0 || i.max != 9984 || i.stopping {
		t.Errorf("got %+v", i)
	}
	if _, err := parseInfo("hello\n"); err == nil {
		t.Error("something else was read as show info")
	}
}

func TestParseStat(t *testing.T) {
	p, err := parseStat(sample(t, "stat.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.frontends) != 2 || p.frontends[0].Name != "api" || p.frontends[0].Status != "OPEN" || p.frontends[0].MaxSessions != 9984 {
		t.Errorf("frontends %+v", p.frontends)
	}
	if len(p.backends) != 2 {
		t.Fatalf("backends %+v", p.backends)
	}
	b := p.backends[0]
	if b.Name != "apis" || b.Status != "UP" || b.Live != 0 || b.Checked != 2 || len(b.Servers) != 3 {
		t.Errorf("backend %+v", b)
	}
	if a := b.Servers[0]; a.Name != "a" || a.Status != "DOWN" || a.Check != "L4CON" || a.Address != "127.0.0.1:1" || a.Backup ||
		a.CheckText != "Layer4 connection problem: Connection refused" || a.Changed <= 0 || a.Changed > time.Minute {
		t.Errorf("server a: %+v", a)
	}
	if !b.Servers[1].Backup || b.Servers[2].Status != "no check" || b.Servers[2].checked() {
		t.Errorf("servers b, c: %+v", b.Servers[1:])
	}
	if len(p.backends[1].Servers) != 0 {
		t.Errorf("the statistics' backend has servers: %+v", p.backends[1])
	}
}

func TestParseStatRefuses(t *testing.T) {
	for _, in := range []string{
		"", "Unknown command\n", "# pxname,svname,status\n", "# pxname,svname,status,type\n" + strings.Repeat("a,b,UP,2\n", maxRows+1), "# " + strings.Repeat("x", maxAnswer),
	} {
		if p, err := parseStat(in); err == nil {
			t.Errorf("%.40q was read: %d backends", in, len(p.backends))
		}
	}
}

func TestServerWords(t *testing.T) {
	for status, want := range map[string]struct{ checked, live bool }{
		"UP": {true, true}, "UP 1/3": {true, true}, "NOLB": {true, true}, "DRAIN": {true, true}, "DOWN": {true, false}, "DOWN 1/2": {true, false},
		"DOWN (agent)": {true, false}, "MAINT": {}, "MAINT (via a/b)": {}, "no check": {}, "": {}, "SOMETHING": {},
	} {
		s := Server{Status: status}
		if s.checked() != want.checked || s.checked() && s.live() != want.live {
			t.Errorf("%q: checked %v, live %v", status, s.checked(), s.live())
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(sample(f, "stat.csv"))
	f.Add("# pxname,svname,status,type,\na,b,\"UP,2\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseStat(text)
		if err != nil {
			return
		}
		for _, b := range p.backends {
			if b.Live > b.Checked || b.Checked > len(b.Servers) {
				t.Fatalf("backend %+v", b)
			}
			for _, s := range b.Servers {
				if strings.ContainsAny(s.words(), "\x1b\n") || s.Changed < 0 || s.CheckTook < 0 {
					t.Fatalf("server %+v", s)
				}
			}
		}
	})
}

func FuzzParseDiag(f *testing.F) {
	f.Add(make([]byte, inetDiagMsgLen))
	f.Fuzz(func(t *testing.T, b []byte) { parseDiag(b) })
}
