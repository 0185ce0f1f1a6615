package podlogs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	root := t.TempDir()
	old := filepath.Join(root, "default_web-node1_u1", "web")
	write(t, filepath.Join(old, "0.log"), "12345")
	must(t, os.Chtimes(filepath.Join(old, "0.log"), epoch, epoch))
	newer := filepath.Join(root, "default_web-node1_u2")
	for i, name := range []string{"4.log.20260301-120000.gz", "4.log", "3.log", "10.log", "10.log.20260301-120000.tmp"} {
		write(t, filepath.Join(newer, "web", name), "1234")
		must(t, os.Chtimes(filepath.Join(newer, "web", name), epoch, epoch.Add(time.Duration(i+1)*time.Hour)))
	}
	must(t, os.MkdirAll(filepath.Join(newer, "idle"), 0o755))
	write(t, filepath.Join(root, "kube-system_etcd-node1_u3", "etcd", "0.log"), "")
	write(t, filepath.Join(root, "a_b_c"), "a file")
	must(t, os.Mkdir(filepath.Join(root, "not-a-pod"), 0o755))
	must(t, os.Mkdir(filepath.Join(root, "default_web-node1_u4_x"), 0o755))
	must(t, os.Symlink(newer, filepath.Join(root, "default_web-node1_u5")))

	show := func(pods []PodLog) string {
		var b strings.Builder
		for _, p := range pods {
			fmt.Fprintf(&b, "%s/%s %s", p.Namespace, p.Name, p.UID)
			for _, c := range p.Containers {
				fmt.Fprintf(&b, " %s", c.Name)
				for _, a := range c.Attempts {
					fmt.Fprintf(&b, " %d:%s:%d:%d", a.Number, filepath.Base(a.Path), a.Files, a.Bytes)
				}
			}
			b.WriteByte('\n')
		}
		return b.String()
	}
	const web = "default/web-node1 u2 idle web 3:3.log:1:4 4:4.log:2:8 10:10.log:1:4\ndefault/web-node1 u1 web 0:0.log:1:5\n"
	for _, c := range []struct{ ns, name, want string }{
		{"default", "web-node1", web},
		{"", "web-node1", web},
		{"default", "", web},
		{"default", "web", ""},
		{"kube-system", "", "kube-system/etcd-node1 u3 etcd 0:0.log:1:0\n"},
	} {
		pods, err := Find(root, c.ns, c.name)
		if err != nil || show(pods) != c.want {
			t.Errorf("%s/%s: %v\n%swant\n%s", c.ns, c.name, err, show(pods), c.want)
		}
	}
	if pods, err := Find(filepath.Join(root, "none"), "", ""); err != nil || pods != nil {
		t.Errorf("%v, %v", pods, err)
	}

	for _, c := range []struct {
		dir   string
		want  uint32
		found bool
		fails bool
	}{
		{filepath.Join(newer, "web"), 10, true, false},
		{old, 0, true, false},
		{filepath.Join(newer, "idle"), 0, false, false},
		{filepath.Join(newer, "none"), 0, false, false},
		{filepath.Join(root, "a_b_c"), 0, false, true},
	} {
		n, found, err := Restored(c.dir)
		if n != c.want || found != c.found || (err != nil) != c.fails {
			t.Errorf("%s: %d, %v, %v", c.dir, n, found, err)
		}
	}
}

func TestParseName(t *testing.T) {
	for name, want := range map[string]string{
		"0.log":                          "0  false false",
		"12.log.20260301-120000":         "12 20260301-120000 false false",
		"12.log.20260301-120000.gz":      "12 20260301-120000 true false",
		"12.log.20260301-120000.tmp":     "12 20260301-120000 false true",
		"4294967295.log":                 "4294967295  false false",
		"4294967296.log":                 "",
		"-1.log":                         "",
		"01.log":                         "",
		".log":                           "",
		"x.log":                          "",
		"0.log.gz":                       "",
		"0.log.":                         "",
		"0.log.2026":                     "",
		"0.log.20261301-120000":          "",
		"0.log.20260301-120000.gz.tmp":   "",
		"0.log.20260301-120000.5":        "",
		"0.log20260301-120000":           "",
		"0.log.20260301-120000.gz/../..": "",
	} {
		got := ""
		if f, ok := parseName(name); ok {
			got = fmt.Sprint(f.attempt, " ", f.stamp, " ", f.gz, " ", f.tmp)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestListWhileRenamed: a file that gets another name while the folder is read is there under one of both.
func TestListWhileRenamed(t *testing.T) {
	dir := t.TempDir()
	names := []string{"0.log.20260301-120000", "0.log.20260301-120000.gz"}
	write(t, filepath.Join(dir, names[0]), "x")
	for i := range 3000 {
		renamed := make(chan error, 1)
		go func() { renamed <- os.Rename(filepath.Join(dir, names[i%2]), filepath.Join(dir, names[1-i%2])) }()
		files, err := list(dir)
		if err != nil || len(files) != 1 {
			t.Errorf("round %d: %d files, %v", i, len(files), err)
		}
		must(t, <-renamed)
		if t.Failed() {
			return
		}
	}
}
