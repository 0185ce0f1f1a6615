//go:build integration

package pods

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nodeagent/internal/view"
)

// modes compares the permission of what a path of a volume leads to.
func modes(t *testing.T, c proc, dir string, want map[string]os.FileMode) {
	t.Helper()
	for file, mode := range want {
		// A volume's names are links to a folder beside them, so that all files change at once.
		real := filepath.Join(dir, "..data", file)
		equal(t, "the mode of "+file+" in "+dir, c.mode(real), mode)
	}
}

func (s *suite) dataVolumes(t *testing.T) {
	at := "spec.volumes[].configMap"
	s.proves(t, none, below(at, "name", "defaultMode", "optional", "items", "items[].key", "items[].path", "items[].mode")...)
	at = "spec.volumes[].secret"
	s.proves(t, none, below(at, "secretName", "defaultMode", "optional", "items", "items[].key", "items[].path", "items[].mode")...)
	at = "spec.volumes[].downwardAPI"
	facts := []string{"items", "items[].path", "items[].mode", "items[].fieldRef", "items[].fieldRef.apiVersion", "items[].fieldRef.fieldPath",
		"items[].resourceFieldRef", "items[].resourceFieldRef.containerName", "items[].resourceFieldRef.resource", "items[].resourceFieldRef.divisor"}
	s.proves(t, none, below(at, append(facts, "defaultMode")...)...)
	at = "spec.volumes[].projected"
	s.proves(t, none, below(at, "defaultMode", "sources")...)
	s.proves(t, none, below(at+".sources[].configMap", "name", "optional", "items", "items[].key", "items[].path", "items[].mode")...)
	s.proves(t, none, below(at+".sources[].secret", "name", "optional", "items", "items[].key", "items[].path", "items[].mode")...)
	s.proves(t, none, below(at+".sources[].downwardAPI", facts...)...)
	p := s.pod(t, "data", variants[0].podWith("labels: {app: web, tier: a}", `volumes:
- {name: whole, configMap: {name: data}}
- {name: some, configMap: {name: data, defaultMode: 0640, items: [{key: greeting, path: a/b/hello, mode: 0400}, {key: other, path: other}]}}
- {name: nothing, configMap: {name: none-of-that, optional: true}}
- {name: secret, secret: {secretName: data, defaultMode: 0400}}
- {name: part, secret: {secretName: data, items: [{key: key, path: c/k, mode: 0440}]}}
- {name: no-secret, secret: {secretName: none-of-that, optional: true}}
- name: facts
  downwardAPI:
    defaultMode: 0444
    items:
    - {path: labels, fieldRef: {apiVersion: v1, fieldPath: metadata.labels}}
    - {path: name, mode: 0400, fieldRef: {fieldPath: metadata.name}}
    - {path: cpu, resourceFieldRef: {containerName: main, resource: limits.cpu, divisor: 1m}}
- name: all
  projected:
    defaultMode: 0440
    sources:
    - configMap: {name: data, items: [{key: greeting, path: cm/greeting, mode: 0404}]}
    - configMap: {name: none-of-that, optional: true}
    - secret: {name: data, items: [{key: key, path: key, mode: 0400}]}
    - secret: {name: none-of-that, optional: true}
    - downwardAPI:
        items:
        - {path: facts/name, mode: 0444, fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
        - {path: facts/memory, resourceFieldRef: {containerName: main, resource: limits.memory, divisor: 1Mi}}
`, `args: [do, hold]
resources: {limits: {cpu: 500m, memory: 64Mi}}
volumeMounts:
- {name: whole, mountPath: /whole}
- {name: some, mountPath: /some}
- {name: nothing, mountPath: /nothing}
- {name: secret, mountPath: /secret}
- {name: part, mountPath: /part}
- {name: no-secret, mountPath: /no-secret}
- {name: facts, mountPath: /facts}
- {name: all, mountPath: /all}
`)+objects)
	c := p.run("main")
	for file, want := range map[string]string{
		"/whole/greeting": "good night", "/whole/other": "2", "/some/a/b/hello": "good night", "/some/other": "2",
		"/secret/key": "1234", "/secret/pass": "hunter2", "/part/c/k": "1234",
		"/facts/labels": "app=\"web\"\ntier=\"a\"", "/facts/name": p.full(), "/facts/cpu": "500",
		"/all/cm/greeting": "good night", "/all/key": "1234", "/all/facts/name": p.full(), "/all/facts/memory": "64",
	} {
		equal(t, file, c.read(file), want)
	}
	modes(t, c, "/whole", map[string]os.FileMode{"greeting": 0o644})
	modes(t, c, "/some", map[string]os.FileMode{"a/b/hello": 0o400, "other": 0o640})
	modes(t, c, "/secret", map[string]os.FileMode{"key": 0o400})
	modes(t, c, "/part", map[string]os.FileMode{"c/k": 0o440})
	modes(t, c, "/facts", map[string]os.FileMode{"labels": 0o444, "name": 0o400, "cpu": 0o444})
	modes(t, c, "/all", map[string]os.FileMode{"cm/greeting": 0o404, "key": 0o400, "facts/name": 0o444, "facts/memory": 0o440})
	for _, none := range []string{"/some/greeting", "/part/pass", "/nothing/greeting"} {
		if _, code := c.exec("need " + none); code == 0 {
			t.Errorf("%s is there", none)
		}
	}
	// A Secret's files never touch a disk.
	if m := c.mount("/secret"); m == nil || m.FSType != "tmpfs" {
		t.Errorf("the secret's volume is %+v", m)
	}
}

// changes shows that a changed object reaches mounted files, all of them at once and with no restart, and that the pod that asks for it is
// restarted where it reads the object as environment.
func (s *suite) changes(t *testing.T) {
	object := func(v string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${NAME}}\ndata: {a: %q, b: %q}\n", v, v)
	}
	text := simple("volumes: [{name: v, configMap: {name: \"${NAME}\"}}]", "args: [do, hold]\nvolumeMounts: [{name: v, mountPath: /v}]\nenv: [{name: A, valueFrom: {configMapKeyRef: {name: \"${NAME}\", key: a}}}]\n")
	t.Run("file", func(t *testing.T) {
		p := s.pod(t, "changes", text+object("1"))
		c := p.run("main")
		first := link(t, c.root("/v/..data"))
		equal(t, "/v/a", c.read("/v/a"), "1")
		p.put(text + object("2"))
		for {
			// What one reading of the link leads to never mixes contents.
			at := link(t, c.root("/v/..data"))
			a, err1 := os.ReadFile(c.root(filepath.Join("/v", at, "a")))
			b, err2 := os.ReadFile(c.root(filepath.Join("/v", at, "b")))
			if err1 == nil && err2 == nil && string(a) != string(b) {
				t.Fatalf("a is %s while b is %s", a, b)
			}
			if at != first && string(a) == "2" {
				break
			}
			if t.Context().Err() != nil || !alive(c.pid) {
				t.Fatal("it did not change")
			}
		}
		equal(t, "the process", p.run("main").pid, c.pid)
		equal(t, "the environment", c.env()["A"], "1")
	})
	t.Run("environment", func(t *testing.T) {
		text := strings.Replace(text, "name: ${NAME}\n", "name: ${NAME}\n  annotations: {nodeagent/restart-on-config-change: \"true\"}\n", 1)
		p := s.pod(t, "changes-restart", text+object("1"))
		c := p.run("main")
		p.put(text + object("2"))
		equal(t, "the environment", p.runOther("main", c).env()["A"], "2")
	})
}

func (s *suite) emptyDir(t *testing.T) {
	s.proves(t, none, below("spec.volumes[].emptyDir", "medium", "sizeLimit")...)
	p := s.pod(t, "empty-dir", simple(`volumes:
- {name: disk, emptyDir: {}}
- {name: memory, emptyDir: {medium: Memory, sizeLimit: 8Mi}}
`, `args: [do, "write /disk/f a", "write /memory/f b", hold]
securityContext: {runAsUser: 1000}
volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}]
`))
	c := p.run("main")
	c.wrote("/memory/f")
	equal(t, "the file", c.read("/disk/f"), "a")
	equal(t, "the mode", c.mode("/disk"), os.FileMode(0o777))
	equal(t, "the mode", c.mode("/memory"), os.FileMode(0o777))
	if m := c.mount("/memory"); m == nil || m.FSType != "tmpfs" {
		t.Errorf("memory is %+v", m)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(c.root("/memory"), &st); err != nil {
		t.Fatal(err)
	}
	equal(t, "the size", int64(st.Blocks)*st.Bsize, 8<<20)
	// It lives as long as the pod, whatever becomes of its containers.
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if after := p.runAfter("main", c.attempt); after.read("/memory/f") != "b" {
		t.Error("the memory volume was lost")
	}
}

func (s *suite) hostPath(t *testing.T) {
	s.proves(t, none, below("spec.volumes[].hostPath", "path", "type")...)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "na-sock-*") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	l, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	block := filepath.Join(dir, "block")
	if err := unix.Mknod(block, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))); err != nil {
		t.Fatal(err)
	}
	var volumes, mounts strings.Builder
	for name, v := range map[string]string{
		"any": "path: " + dir + "/folder", "made": "path: " + dir + "/x/made, type: DirectoryOrCreate", "dir": "path: " + dir + "/folder, type: Directory",
		"new": "path: " + dir + "/new, type: FileOrCreate", "file": "path: " + dir + "/file, type: File", "sock": "path: " + short + "/s, type: Socket",
		"char": "path: /dev/null, type: CharDevice", "block": "path: " + block + ", type: BlockDevice",
	} {
		fmt.Fprintf(&volumes, "- {name: %s, hostPath: {%s}}\n", name, v)
		fmt.Fprintf(&mounts, "- {name: %s, mountPath: /v/%s}\n", name, name)
	}
	p := s.pod(t, "host-path", simple("volumes:\n"+volumes.String(), "args: [do, hold]\nvolumeMounts:\n"+mounts.String()))
	c := p.run("main")
	for name, want := range map[string]os.FileMode{
		"any": os.ModeDir | 0o755, "made": os.ModeDir | 0o755, "dir": os.ModeDir | 0o755, "new": 0o644, "file": 0o600, "sock": os.ModeSocket,
		"char": os.ModeDevice | os.ModeCharDevice, "block": os.ModeDevice,
	} {
		got := c.stat("/v/" + name).Mode()
		if want.Perm() == 0 {
			got = got.Type()
		}
		equal(t, name, got, want)
	}
	equal(t, "the file", c.read("/v/file"), "a")
	for kind, path := range map[string]string{"File": dir + "/folder", "Directory": dir + "/file", "Socket": dir + "/file", "CharDevice": dir + "/file", "BlockDevice": "/dev/null"} {
		t.Run("not "+kind, func(t *testing.T) {
			p := s.pod(t, "host-path-"+strings.ToLower(kind), simple(fmt.Sprintf("volumes: [{name: v, hostPath: {path: %s, type: %s}}]", path, kind), "args: [do, hold]\nvolumeMounts: [{name: v, mountPath: /v}]"))
			p.message(kind)
		})
	}
}

func (s *suite) mounts(t *testing.T, v variant) {
	s.proves(t, v, "@.volumeMounts[].readOnly", "@.volumeMounts[].subPath", "@.volumeMounts[].mountPropagation")
	dir := sharedFolder(t)
	p := s.pod(t, "mounts-"+v.key, v.pod("volumes: [{name: ctl, hostPath: {path: "+dir+"}}, {name: e, emptyDir: {}}, {name: c, configMap: {name: \"${NAME}\"}}]", `args: [do, "write /sub/f a", hold]
securityContext: {privileged: true}
volumeMounts:
- {name: ctl, mountPath: /ro, readOnly: true}
- {name: ctl, mountPath: /none}
- {name: ctl, mountPath: /slave, mountPropagation: HostToContainer}
- {name: ctl, mountPath: /shared, mountPropagation: Bidirectional}
- {name: e, mountPath: /sub, subPath: a/b}
- {name: e, mountPath: /e}
- {name: c, mountPath: /c/site.conf, subPath: greeting}
`)+objects)
	c := p.run("main")
	c.wrote("/sub/f")
	if out, code := c.exec("write /ro/f a"); code == 0 || !strings.Contains(out, "read-only") {
		t.Errorf("writing to a read-only mount ended with %d, %q", code, out)
	}
	equal(t, "the file below the subPath", c.read("/e/a/b/f"), "a")
	equal(t, "the key", c.read("/c/site.conf"), "good night")
	// A mount made on the node later is seen where it was asked for.
	later := filepath.Join(dir, "later")
	if err := os.Mkdir(later, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("later", later, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(later, unix.MNT_DETACH)
	for at, want := range map[string]bool{"/none": false, "/slave": true, "/shared": true} {
		equal(t, "a later mount in "+at, c.mount(at+"/later") != nil, want)
	}
}

// sharedFolder is a mount of the node that passes on what is mounted below it; the root of a machine without systemd may not.
func sharedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	return dir
}

// escape shows that a subPath never leads out of its volume: neither a link that is there before the container nor one that takes the folder's
// place later.
func (s *suite) escape(t *testing.T) {
	secret := t.TempDir()
	if err := os.WriteFile(filepath.Join(secret, "f"), []byte("outside"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := simple("volumes: [{name: ctl, hostPath: {path: \"${CTL}\"}}, {name: e, emptyDir: {}}]", "args: [do, hold]\nvolumeMounts: [{name: ctl, mountPath: /sub, subPath: a/b}]")
	p := s.pod(t, "escape", text)
	c := p.run("main")
	if err := os.Rename(filepath.Join(p.ctl, "a"), filepath.Join(p.ctl, "was")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(p.ctl, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(p.ctl, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if _, code := c.exec("need /sub/f"); code == 0 {
		t.Error("the running container sees what the link leads to")
	}
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The attempt that was made ahead has the folder of then; one that is made now has to be refused.
	seen := false
	for attempt := c.attempt; !seen; attempt++ {
		v := p.becomes("refused or running", func(v view.Pod) bool { return strings.Contains(v.Message, "a/b") || runs(v, attempt) })
		if seen = strings.Contains(v.Message, "a/b"); seen {
			break
		}
		c = p.runAfter("main", attempt)
		if _, code := c.exec("need /sub/f"); code == 0 {
			t.Fatal("a restarted container sees what the link leads to")
		}
		if attempt > 3 {
			break // it keeps what it had: no way out either
		}
		syscall.Kill(c.pid, syscall.SIGKILL)
	}
}
