package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testPlace = place{name: "x", dir: "/srv/lab"}

func TestParseVersion(t *testing.T) {
	for out, want := range map[string]version{
		"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n": {1, 6, "1.6.20~ds1"},
		"containerd github.com/containerd/containerd/v2 2.4.2+unknown \n":               {2, 4, "2.4.2+unknown"},
		"containerd github.com/containerd/containerd/v2 v2.1.9 abcdef":                  {2, 1, "2.1.9"},
	} {
		if got, err := parseVersion(out); err != nil || got != want {
			t.Errorf("parseVersion(%q) = %+v, %v; want %+v", out, got, err, want)
		}
	}
	for _, out := range []string{"", "containerd", "containerd unknown 1", "v99999999999999999999.1.0"} {
		if got, err := parseVersion(out); err == nil {
			t.Errorf("parseVersion(%q) = %+v, want an error", out, got)
		}
	}
}

func TestRenderGolden(t *testing.T) {
	for _, v := range []version{{1, 6, ""}, {1, 7, ""}, {2, 1, ""}, {2, 4, ""}} {
		s := settings{place: testPlace, version: v, snapshotter: "overlayfs", pauseImage: PauseImage, cniBin: "/usr/lib/cni",
			handlers: []handler{{"runc", "/usr/sbin/runc"}, {"crun", "/srv/lab/crun"}}}
		got := s.render()
		file := filepath.Join("testdata", "containerd-"+string(rune('0'+v.major))+"."+string(rune('0'+v.minor))+".toml")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s (UPDATE=1 writes it) is now:\n%s", file, got)
		}
	}
}

func TestNewPlace(t *testing.T) {
	for _, name := range []string{"", "A", "a/b", "..", "-a", "a-", strings.Repeat("a", 12)} {
		if _, err := newPlace(name, "/tmp/x"); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
	for _, dir := range []string{"", "/"} {
		if _, err := newPlace("x", dir); err == nil {
			t.Errorf("folder %q was taken", dir)
		}
	}
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	p, err := newPlace("a-1", filepath.Join(link, "not", "there"))
	if err != nil || p.dir != filepath.Join(real, "not", "there") {
		t.Errorf("newPlace through a symlink = %q, %v", p.dir, err)
	}
	longest, err := newPlace(strings.Repeat("a", maxName), "/x")
	if err != nil || len(longest.bridge()) != 15 || len(longest.socket()+".ttrpc") >= 108 {
		t.Errorf("the longest name gives bridge %q, socket %q, %v", longest.bridge(), longest.socket(), err)
	}
}

func TestPickSubnet(t *testing.T) {
	first, err := pickSubnet("x", nil)
	if err != nil || first.Bits() != 24 || !pool.Contains(first.Addr()) {
		t.Fatalf("pickSubnet = %s, %v", first, err)
	}
	second, err := pickSubnet("x", []netip.Prefix{netip.PrefixFrom(first.Addr().Next(), 32)})
	if err != nil || second == first {
		t.Errorf("with %s in use pickSubnet = %s, %v", first, second, err)
	}
	if _, err := pickSubnet("x", []netip.Prefix{netip.MustParsePrefix("198.0.0.0/8")}); err == nil {
		t.Error("a subnet was found in a pool that is in use")
	}
}

func TestFindCNI(t *testing.T) {
	part, whole := t.TempDir(), t.TempDir()
	for _, file := range []string{part + "/bridge", whole + "/bridge", whole + "/host-local", whole + "/loopback"} {
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := findCNI([]string{"/not-there", part, whole}); err != nil || got != whole {
		t.Errorf("findCNI = %q, %v; want %q", got, err, whole)
	}
	if _, err := findCNI([]string{part}); err == nil || !strings.Contains(err.Error(), "containernetworking-plugins") {
		t.Errorf("without plugins findCNI says %v", err)
	}
}

func TestOwns(t *testing.T) {
	root := fileID{dev: 1, ino: 2}
	m := marks{place: testPlace, cgroups: []string{testPlace.cgroup(), "/abc"}, roots: []fileID{root}}
	other := place{name: "xy", dir: "/srv/lab2"}
	for name, c := range map[string]struct {
		p    proc
		want bool
	}{
		"containerd":              {proc{argv: []string{"/usr/bin/containerd", "--config", testPlace.config()}}, true},
		"another containerd":      {proc{argv: []string{"/usr/bin/containerd", "--config", other.config()}}, false},
		"the host's containerd":   {proc{argv: []string{"/usr/bin/containerd"}}, false},
		"flag without value":      {proc{argv: []string{"containerd", "--config"}}, false},
		"an editor":               {proc{argv: []string{"vi", "--config", testPlace.config()}}, false},
		"shim":                    {proc{argv: []string{"/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "a", "-address", testPlace.socket()}}, true},
		"another shim":            {proc{argv: []string{"/usr/bin/containerd-shim-runc-v2", "-address", other.socket()}}, false},
		"runc":                    {proc{argv: []string{"runc", "--root", testPlace.ociRoot() + "/runc/k8s.io", "create"}}, true},
		"another runc":            {proc{argv: []string{"runc", "--root", other.ociRoot() + "/runc/k8s.io", "create"}}, false},
		"CNI plugin":              {proc{argv: []string{"/usr/lib/cni/bridge"}, netns: testPlace.state() + "/netns/cni-1"}, true},
		"another CNI plugin":      {proc{argv: []string{"/usr/lib/cni/bridge"}, netns: "/run/netns/cni-1"}, false},
		"in the cgroup":           {proc{argv: []string{"sh"}, cgroups: []string{"/", testPlace.cgroup()}}, true},
		"below the cgroup":        {proc{argv: []string{"sh"}, cgroups: []string{testPlace.cgroup() + "/pod/a"}}, true},
		"a bundle's cgroup":       {proc{argv: []string{"sh"}, cgroups: []string{"/abc/sub"}}, true},
		"a cgroup that begins so": {proc{argv: []string{"sh"}, cgroups: []string{testPlace.cgroup() + "y/a"}}, false},
		"in a rootfs":             {proc{argv: []string{"sh"}, root: root}, true},
		"in another root":         {proc{argv: []string{"sh"}, root: fileID{dev: 1, ino: 3}}, false},
		"nothing known":           {proc{}, false},
	} {
		if got := m.owns(c.p); got != c.want {
			t.Errorf("%s: owns = %t, want %t", name, got, c.want)
		}
	}
}

func TestChooseTakesDescendantsAndNoZombies(t *testing.T) {
	m := marks{place: testPlace}
	got := m.choose([]proc{
		{pid: 30, ppid: 20},
		{pid: 10, ppid: 1, argv: []string{"containerd", "--config", testPlace.config()}},
		{pid: 20, ppid: 10},
		{pid: 21, ppid: 10, zombie: true},
		{pid: 1, ppid: 0},
		{pid: 40, ppid: 1},
	})
	var pids []int
	for _, p := range got {
		pids = append(pids, p.pid)
	}
	if want := []int{30, 10, 20}; !slices.Equal(pids, want) {
		t.Errorf("choose = %v, want %v", pids, want)
	}
}

const id64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestBundleCgroup(t *testing.T) {
	for config, want := range map[string]string{
		`{"linux":{"cgroupsPath":"/pods/` + id64 + `"}}`:       "/pods/" + id64,
		`{"linux":{"cgroupsPath":"/` + id64 + `/"}}`:           "/" + id64,
		`{"linux":{"cgroupsPath":"/` + id64 + `/.."}}`:         "",
		`{"linux":{"cgroupsPath":"/system.slice"}}`:            "",
		`{"linux":{"cgroupsPath":"rel/` + id64 + `"}}`:         "",
		`{"linux":{"cgroupsPath":"a.slice:cri:` + id64 + `"}}`: "",
		`{`: "",
	} {
		if got := bundleCgroup(id64, []byte(config)); got != want {
			t.Errorf("bundleCgroup(%s) = %q, want %q", config, got, want)
		}
	}
	if got := bundleCgroup("system.slice", []byte(`{"linux":{"cgroupsPath":"/system.slice"}}`)); got != "" {
		t.Errorf("a bundle that is no container's gave %q", got)
	}
}

func TestOwnSocket(t *testing.T) {
	for address, want := range map[string]string{
		"unix://" + shimSockets + "/" + id64:            shimSockets + "/" + id64,
		"unix://" + shimSockets + "/../" + id64 + "\n":  "",
		"unix:///run/containerd/containerd.sock":        "",
		"unix://" + shimSockets + "/" + id64 + "/extra": "",
		"": "",
	} {
		if got := ownSocket(address); got != want {
			t.Errorf("ownSocket(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestFolderOfSomebodyElseIsNotMarked(t *testing.T) {
	p := place{name: "x", dir: t.TempDir()}
	if ours, err := marked(p); ours || err != nil {
		t.Errorf("a folder with no record: %t, %v", ours, err)
	}
	if err := writeRecord(p, record{Name: "y"}); err != nil {
		t.Fatal(err)
	}
	if ours, err := marked(p); ours || err != nil {
		t.Errorf("the folder of another lab: %t, %v", ours, err)
	}
	if err := writeRecord(p, record{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if ours, err := marked(p); !ours || err != nil {
		t.Errorf("the lab's own folder: %t, %v", ours, err)
	}
}

func TestFileLayer(t *testing.T) {
	source := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(source, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := fileLayer(map[string]string{"/usr/bin/f": source, "/usr/g": source})
	if err != nil {
		t.Fatal(err)
	}
	b, err := fileLayer(map[string]string{"/usr/g": source, "/usr/bin/f": source})
	if err != nil || !slices.Equal(a, b) {
		t.Errorf("the same files gave two layers (%v)", err)
	}
	for _, target := range []string{"rel", "/", "/a/../b", "/a/"} {
		if _, err := fileLayer(map[string]string{target: source}); err == nil {
			t.Errorf("target %q was taken", target)
		}
	}
	if _, err := buildArchive([]Image{{Name: "pause"}}); err == nil {
		t.Error("an image name without a registry was taken")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (a (b) c) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 1")
	f.Add("7 (x) Z 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 2 0 1")
	f.Add(")(")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parseStat(s)
		if ok && !strings.Contains(s, "("+p.comm+")") {
			t.Errorf("parseStat(%q) has the name %q", s, p.comm)
		}
	})
}

func TestParseStatZombies(t *testing.T) {
	for state, want := range map[string]bool{"S": false, "Z": true, "X": true} {
		p, ok := parseStat("7 (a (b) c) " + state + " 3 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 1")
		if !ok || p.pid != 7 || p.ppid != 3 || p.comm != "a (b) c" || p.zombie != want {
			t.Errorf("state %s: %+v, %t", state, p, ok)
		}
	}
	if p, _ := parseStat("7 (x) Z 3 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 2 0 1"); p.zombie {
		t.Error("a leader that ended before its thread counts as gone")
	}
}

func FuzzBundle(f *testing.F) {
	f.Add(id64, []byte(`{"linux":{"cgroupsPath":"/pods/`+id64+`"}}`), "unix://"+shimSockets+"/"+id64)
	f.Add("..", []byte(`{"linux":{"cgroupsPath":"/.."}}`), "unix:///")
	f.Fuzz(func(t *testing.T, id string, config []byte, address string) {
		if c := bundleCgroup(id, config); c != "" && (len(filepath.Base(c)) != 64 || filepath.Clean(c) != c) {
			t.Errorf("bundleCgroup gave %q", c)
		}
		if s := ownSocket(address); s != "" && !below(filepath.Clean(s), shimSockets) {
			t.Errorf("ownSocket gave %q", s)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	f.Add("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3")
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := parseVersion(s); err == nil && (v.text == "" || v.major < 0) {
			t.Errorf("parseVersion(%q) = %+v", s, v)
		}
	})
}
