package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// summary is what keepalived would make of the instances of a file.
func summary(t *testing.T, name, id string) string {
	t.Helper()
	root, err := filepath.Abs("testdata/accepted")
	if err != nil {
		t.Fatal(err)
	}
	l := &linter{}
	tree, err := l.parse("/"+name, Options{Root: root, ID: id}.filled())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, i := range model(tree, l.note).Instances {
		fmt.Fprintf(&out, "%s %s %d %d %v", i.Name, i.Interface, i.VRID.Value, i.Priority.Value, i.VIPs)
		for _, tr := range i.Tracks {
			fmt.Fprintf(&out, " %s:%s:%d", tr.Kind, tr.Name, tr.weight().Value)
		}
		out.WriteString("\n")
	}
	for _, p := range l.sorted() {
		t.Errorf("%s: %v", name, p)
	}
	return out.String()
}

// TestAccepted reads every configuration that real keepalived accepts (the integration test holds it to that).
func TestAccepted(t *testing.T) {
	for _, tt := range []struct{ name, id, want string }{
		{"kubeadm.conf", "one", "VI_1 nalint0 51 101 [10.99.0.100] script:check_apiserver:-2\n"},
		{"oneline.conf", "one", "A nalint0 7 100 [10.99.0.101] script:a:-60\nB nalint0 8 100 [10.99.0.102 10.99.0.103] script:a:0\nC 1 nalint0 9 100 [10.99.0.104]\n"},
		{"parameters.conf", "one", "V11 nalint0 11 130 [10.99.1.11 10.99.11.101 10.99.11.102 10.99.11.103]\n" +
			"V12 nalint0 12 130 [10.99.1.12 10.99.12.101 10.99.12.102 10.99.12.103]\nW nalint0 13 90 [10.99.9.3 10.99.9.2 10.99.9.1]\n"},
		{"parameters.conf", "two", "V11 nalint0 11 120 [10.99.1.11 10.99.11.101 10.99.11.102 10.99.11.103]\n" +
			"V12 nalint0 12 120 [10.99.1.12 10.99.12.101 10.99.12.102 10.99.12.103]\nW nalint0 13 100 [10.99.9.3 10.99.9.2 10.99.9.1]\n"},
		{"includes.conf", "one", "V nalint0 17 100 [10.99.0.110]\n"},
		{"tracks.conf", "one", "V nalint0 21 110 [10.99.0.111] process:agent:-60\nW nalint0 21 100 [fe80::99 fd00:99::1]\n"},
	} {
		if got := summary(t, tt.name, tt.id); got != tt.want {
			t.Errorf("%s for %s:\n%swant\n%s", tt.name, tt.id, got, tt.want)
		}
	}
}

func TestLex(t *testing.T) {
	for in, want := range map[string]string{
		`a b`: `a|b`, `a{b}c`: `a|{|b|}|c`, `"a b" 'c d'`: `a b|c d`, `a"b c"d`: `ab cd`, `a\ b`: `a b`, `"a\"b"`: `a"b`, `${X} {`: `${X}|{`, `""`: ``, "\t": ``,
		`notify "/bin/x 'a b'" root`: `notify|/bin/x 'a b'|root`,
	} {
		tokens, ok := lex(in)
		var got []string
		for _, tk := range tokens {
			if tk.brace != 0 {
				tk.text = string(tk.brace)
			}
			got = append(got, tk.text)
		}
		if !ok || strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", in, strings.Join(got, "|"), want)
		}
	}
	if _, ok := lex(`"a`); ok {
		t.Error("an open quote is taken for a closed one")
	}
}

func TestDecomment(t *testing.T) {
	for in, want := range map[string]string{
		"a # b": "a ", "!": "", `"a # b" ! c`: `"a # b" `, `a\#b`: `a\#b`, "'#'#": "'#'",
	} {
		if got := decomment(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestBraces(t *testing.T) {
	for in, want := range map[string][]string{
		"a": {"a"}, "{a,b}": {"a", "b"}, "x/{a{1,2},b}.conf": {"x/a1.conf", "x/a2.conf", "x/b.conf"}, "{a": {"{a"}, "a}{": {"a}{"},
	} {
		if got := braces(in); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if got := braces(strings.Repeat("{a,b}", 1000)); len(got) > 64 {
		t.Errorf("%d patterns", len(got))
	}
}

func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIncludes(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"etc/a.conf":     "include d/{x,y}.conf\ninclude empty/*.conf\nincludea empty/*.conf\n",
		"etc/d/x.conf":   "one {\n  include ../body\n}\n",
		"etc/d/y.conf":   "two\ninclude x.conf # twice is no cycle\ninclude ../a.conf\n",
		"etc/body":       "inner\n",
		"etc/folder/x":   "",
		"etc/b.conf":     "include folder\n",
		"etc/deep0.conf": "include deep1.conf\n",
	})
	for n := range 20 {
		write(t, root, map[string]string{fmt.Sprintf("etc/deep%d.conf", n): fmt.Sprintf("include deep%d.conf\n", n+1)})
	}
	tree, problems, err := Parse("/etc/a.conf", Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range tree.Children {
		got = append(got, fmt.Sprintf("%s@%s", strings.Join(n.Words, " "), n.Pos))
		for _, c := range n.Children {
			got = append(got, fmt.Sprintf(" %s@%s", strings.Join(c.Words, " "), c.Pos))
		}
	}
	want := "one@/etc/d/x.conf:1  inner@/etc/body:1 two@/etc/d/y.conf:1 one@/etc/d/x.conf:1  inner@/etc/body:1"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
	if got := rulesOf(problems); got != "IncludeMissing:3 IncludeCycle:3" {
		t.Errorf("got %s: %v", got, problems)
	}
	if _, problems, _ := Parse("/etc/b.conf", Options{Root: root}); rulesOf(problems) != "IncludeMissing:1" {
		t.Errorf("a folder: %v", problems)
	}
	if _, problems, _ := Parse("/etc/deep0.conf", Options{Root: root}); !strings.Contains(rulesOf(problems), "TooLarge") {
		t.Errorf("20 deep: %v", problems)
	}
	if _, _, err := Parse("/etc/none", Options{Root: root}); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), root) {
		t.Errorf("a missing file: %v", err)
	}
	if _, _, err := Parse("/etc/folder", Options{Root: root}); err == nil {
		t.Error("a folder was read as a file")
	}
}

// TestBounds: what is hostile or merely huge ends soon, and it is said that not everything was read.
func TestBounds(t *testing.T) {
	var doubles strings.Builder
	doubles.WriteString("$A0=\n")
	for n := range 40 {
		fmt.Fprintf(&doubles, "$A%d= \\\n$A%d \\\n$A%d\n", n+1, n, n)
	}
	doubles.WriteString("$A40\n")
	for name, text := range map[string]string{
		"10 MB of words":          strings.Repeat("word word word word word word word word word\n", 10<<20/45),
		"17 MB":                   strings.Repeat(strings.Repeat("x", 1000)+"\n", 17<<10),
		"10,000 blocks":           strings.Repeat("vrrp_instance V {\n virtual_router_id 7\n interface e\n track_script {\n a\n }\n}\n", 10_000),
		"100,000 braces":          strings.Repeat("{", 60_000) + "\n" + strings.Repeat("}", 60_000),
		"a parameter of itself":   "$A=$A $A\n$A x\n",
		"doubled definitions":     doubles.String(),
		"a long sequence":         "~SEQ(I, 0, 2000000000) x${I}\n",
		"a sequence of sequences": "~SEQ(I, 0, 100000) ~SEQ(J, 0, 100000) @none x\n",
		"one line of 1 MB":        strings.Repeat("{ x ", 1<<18),
		"conditions":              strings.Repeat("@x ", 20_000) + "\n",
	} {
		began := time.Now()
		lintText(t, text, Options{ID: "x"})
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}

func FuzzFile(f *testing.F) {
	names, err := filepath.Glob("testdata/accepted/*.conf")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(good)
	f.Add("include a.conf\n$A= \\\n$A \\\n\n$A\n~SEQ(A,1,2) $A\n@^x {\n}}\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range lintText(t, text, Options{}) {
			if p.Rule == "" || p.Message == "" || p.Fix == "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
