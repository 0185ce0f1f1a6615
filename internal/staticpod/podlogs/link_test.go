package podlogs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "containers")
	target, other := "/var/log/pods/default_web_u1/web/0.log", "/var/log/pods/default_web_u1/web/1.log"
	path := filepath.Join(dir, "web_default_web-c1.log")
	leads := func(want string) {
		t.Helper()
		if to, err := os.Readlink(path); err != nil || to != want || len(names(t, dir)) != 1 {
			t.Errorf("%s, %v, %v; want %s", to, err, names(t, dir), want)
		}
	}
	for range 2 {
		must(t, Link(dir, target, "web", "default", "web", "c1"))
		leads(target)
	}
	must(t, os.Symlink("anywhere", filepath.Join(dir, linkTmp+filepath.Base(path)))) // left by a crash
	must(t, Link(dir, other, "web", "default", "web", "c1"))
	leads(other)
	must(t, Unlink(dir, target, "web", "default", "web", "c1"))
	leads(other)
	for range 2 {
		must(t, Unlink(dir, other, "web", "default", "web", "c1"))
		if n := names(t, dir); len(n) > 0 {
			t.Error(n)
		}
	}
	write(t, path, "a file")
	if err := Link(dir, target, "web", "default", "web", "c1"); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	must(t, Unlink(dir, target, "web", "default", "web", "c1"))
	if c, err := os.ReadFile(path); err != nil || string(c) != "a file" {
		t.Errorf("%q, %v", c, err)
	}
	for _, bad := range []error{Link(dir, "web/0.log", "web", "default", "web", "c1"), Link(dir, target, "../web", "default", "web", "c1")} {
		if bad == nil {
			t.Error("no error")
		}
	}
	long := strings.Repeat("n", 253)
	must(t, Link(dir, target, long, "default", "web", "c1"))
	must(t, Link(dir, other, long, "default", "web", "c1"))
	if n := LinkName(long, "default", "web", "c1"); len(n) != 255 || !strings.HasSuffix(n, ".log") {
		t.Error(n)
	}
}

func TestSweepLinks(t *testing.T) {
	base := t.TempDir()
	root, dir := filepath.Join(base, "pods"), filepath.Join(base, "containers")
	must(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(root, "default_web_ours", "web", "1.log"), "")
	must(t, os.Symlink("/nowhere", filepath.Join(root, "default_web_ours", "web", "2.log")))
	go1 := filepath.Join(root, "default_web_ours", "web", "0.log")
	for name, to := range map[string]string{
		"gone.log":                        go1,
		linkTmp + "unfinished":            filepath.Join(root, "default_web_ours", "web", "1.log"),
		"lives.log":                       filepath.Join(root, "default_web_ours", "web", "1.log"),
		"link-to-dangling.log":            filepath.Join(root, "default_web_ours", "web", "2.log"),
		"kubelet.log":                     filepath.Join(root, "default_web_theirs", "web", "0.log"),
		linkTmp + "theirs":                filepath.Join(root, "default_web_theirs", "web", "0.log"),
		"elsewhere.log":                   "/nowhere/default_web_ours/web/0.log",
		"relative.log":                    "../pods/default_web_ours/web/0.log",
		"unclean.log":                     root + "/default_web_theirs/../default_web_ours/web/0.log",
		"out.log":                         root + "/../default_web_ours/web/0.log",
		"root.log":                        root,
		"pod.log":                         filepath.Join(root, "default_web_ours"),
		"no-pod.log":                      filepath.Join(root, "ours", "web", "0.log"),
		"prefix.log":                      root + "x/default_web_ours/web/0.log",
		"not-a-log":                       go1,
		strings.Repeat("n", 251) + ".log": go1,
	} {
		must(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	write(t, filepath.Join(dir, "file.log"), go1)
	must(t, os.Mkdir(filepath.Join(dir, "dir.log"), 0o755))
	before := names(t, dir)

	gone, err := SweepLinks(dir, root, func(uid string) bool { return uid == "ours" })
	must(t, err)
	slices.Sort(gone)
	want := []string{linkTmp + "unfinished", "gone.log", strings.Repeat("n", 251) + ".log"}
	if !slices.Equal(gone, want) {
		t.Errorf("removed %v", gone)
	}
	left := slices.DeleteFunc(before, func(n string) bool { return slices.Contains(want, n) })
	if got := names(t, dir); !slices.Equal(got, left) {
		t.Errorf("left %v, want %v", got, left)
	}
	if gone, err := SweepLinks(filepath.Join(base, "none"), root, nil); err != nil || gone != nil {
		t.Errorf("%v, %v", gone, err)
	}
}
