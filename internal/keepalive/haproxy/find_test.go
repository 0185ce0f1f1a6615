package haproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// node is a file system with a /proc of a few processes.
type node struct {
	t    *testing.T
	root string
}

func newNode(t *testing.T) node {
	n := node{t, t.TempDir()}
	n.process(1, "init", "init", "net:[1]", "mnt:[1]", "/")
	n.process(50, "sh", "sh", "net:[1]", "mnt:[1]", "/")
	if err := os.Symlink("50", filepath.Join(n.root, "proc/self")); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n node) write(name, text string) {
	n.t.Helper()
	name = filepath.Join(n.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) process(pid int, comm, cmdline, net, mnt, root string) {
	n.t.Helper()
	dir := fmt.Sprintf("proc/%d/", pid)
	n.write(dir+"comm", comm+"\n")
	n.write(dir+"stat", fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 %d 1 1\n", pid, comm, 1000+pid))
	n.write(dir+"cmdline", strings.ReplaceAll(cmdline, " ", "\x00")+"\x00")
	for name, to := range map[string]string{"ns/net": net, "ns/mnt": mnt, "root": filepath.Join(n.root, root), "cwd": "/etc/haproxy"} {
		name = filepath.Join(n.root, dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			n.t.Fatal(err)
		}
		if err := os.Symlink(to, name); err != nil {
			n.t.Fatal(err)
		}
	}
}

const someConfig = "global\n stats socket /run/ha/s.sock\nfrontend a\n bind *:8443\n"

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		make   func(n node)
		pids   []int
		path   string // below the root; empty: none
		socket string
	}{
		{"nothing", Config{}, func(node) {}, nil, "", ""},
		{"a configuration alone", Config{}, func(n node) { n.write("etc/haproxy/haproxy.cfg", someConfig) }, nil, "etc/haproxy/haproxy.cfg", "run/ha/s.sock"},
		{"the usual socket", Config{}, func(n node) { n.write("run/haproxy/admin.sock", "") }, nil, "", "run/haproxy/admin.sock"},
		{"a service", Config{}, func(n node) {
			n.write("srv/h.cfg", someConfig)
			n.process(900, "haproxy", "haproxy -Ws -f /srv/h.cfg", "net:[1]", "mnt:[1]", "/")
			n.process(1000, "haproxy", "haproxy -sf 3 -Ws -f /srv/h.cfg", "net:[1]", "mnt:[1]", "/")
		}, []int{900, 1000}, "srv/h.cfg", "run/ha/s.sock"},
		{"a relative file", Config{}, func(n node) {
			n.write("etc/haproxy/h.cfg", someConfig)
			n.process(900, "haproxy", "haproxy -f h.cfg", "net:[1]", "mnt:[1]", "/")
		}, []int{900}, "etc/haproxy/h.cfg", "run/ha/s.sock"},
		{"a pod's", Config{}, func(n node) {
			n.write("pod/usr/local/etc/haproxy/haproxy.cfg", someConfig)
			n.write("pod/run/ha/s.sock", "")
			n.process(900, "haproxy", "haproxy -f /usr/local/etc/haproxy/haproxy.cfg", "net:[1]", "mnt:[2]", "/pod")
		}, []int{900}, "proc/900/root/usr/local/etc/haproxy/haproxy.cfg", "proc/900/root/run/ha/s.sock"},
		{"in a chroot", Config{}, func(n node) {
			n.write("etc/haproxy/haproxy.cfg", someConfig)
			n.write("var/lib/haproxy/dev/log", "")
			n.process(900, "haproxy", "haproxy -D -f /etc/haproxy/haproxy.cfg", "net:[1]", "mnt:[1]", "/var/lib/haproxy")
		}, []int{900}, "etc/haproxy/haproxy.cfg", "run/ha/s.sock"},
		{"an ingress in its own network", Config{}, func(n node) {
			n.process(900, "haproxy", "haproxy -f /etc/haproxy/haproxy.cfg", "net:[2]", "mnt:[2]", "/pod")
		}, nil, "", ""},
		{"told from another one", Config{File: "/srv/h.cfg"}, func(n node) {
			n.write("srv/h.cfg", someConfig)
			n.write("etc/haproxy/haproxy.cfg", "")
			n.process(900, "haproxy", "haproxy -f /etc/haproxy/haproxy.cfg", "net:[1]", "mnt:[1]", "/")
			n.process(901, "haproxy", "haproxy -f /srv/h.cfg", "net:[1]", "mnt:[1]", "/")
		}, []int{901}, "srv/h.cfg", "run/ha/s.sock"},
		{"a pod has the file under another name", Config{File: "/srv/h.cfg"}, func(n node) {
			n.write("srv/h.cfg", someConfig)
			n.write("pod/x", "")
			if err := os.Link(filepath.Join(n.root, "srv/h.cfg"), filepath.Join(n.root, "pod/h.cfg")); err != nil {
				t.Fatal(err)
			}
			n.process(900, "haproxy", "haproxy -f /h.cfg", "net:[1]", "mnt:[2]", "/pod")
		}, []int{900}, "srv/h.cfg", "run/ha/s.sock"},
		{"a set socket", Config{Socket: "/x.sock"}, func(n node) { n.write("etc/haproxy/haproxy.cfg", someConfig) }, nil, "etc/haproxy/haproxy.cfg", "x.sock"},
		{"a folder of parts", Config{File: "/srv/d"}, func(n node) {
			n.write("srv/d/1.cfg", "global\n stats socket /run/ha/s.sock")
			n.write("srv/d/2.cfg", "frontend a\n bind *:8443")
		}, nil, "srv/d", "run/ha/s.sock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t)
			tt.make(n)
			tt.config.Root = n.root
			p := find(tt.config, tableOf(tt.config), nil, true)
			var pids []int
			for _, x := range p.Processes {
				pids = append(pids, x.PID)
			}
			rel := func(s string) string { return strings.TrimPrefix(strings.TrimPrefix(s, n.root), "/") }
			path, socket := rel(p.Path), ""
			if len(p.Sockets) > 0 {
				socket = rel(p.Sockets[0])
			}
			if len(pids) > 0 && !p.Inside { // /proc/PID/root of a process that is in no pod is our own root
				own := fmt.Sprintf("proc/%d/root/", pids[0])
				path, socket = strings.TrimPrefix(path, own), strings.TrimPrefix(socket, own)
			}
			if p.ProcErr != nil || p.FileErr != nil || !slices.Equal(pids, tt.pids) || path != tt.path || socket != tt.socket {
				t.Errorf("got %v %q %q, %v %v; want %v %q %q", pids, path, socket, p.ProcErr, p.FileErr, tt.pids, tt.path, tt.socket)
			}
			if path != "" && strings.Contains(tt.socket, "ha/s.sock") && len(p.File.Binds) != 1 {
				t.Errorf("the configuration was not read: %+v", p.File)
			}
		})
	}
}

func TestHiddenProcesses(t *testing.T) {
	n := newNode(t)
	if err := os.RemoveAll(filepath.Join(n.root, "proc/1")); err != nil { // hidepid
		t.Fatal(err)
	}
	if p := find(Config{Root: n.root}, tableOf(Config{Root: n.root}), nil, true); p.ProcErr == nil {
		t.Error("a /proc without pid 1 is taken for the whole truth")
	}
}
