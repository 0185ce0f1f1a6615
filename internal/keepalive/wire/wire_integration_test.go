//go:build integration

package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// lab is a bridge with nodes around it, each a network namespace with eth0 10.66.0.N/24 and fd66::N/64.
type lab struct {
	t    *testing.T
	name string
}

func (l lab) node(n int) string { return fmt.Sprintf("%s-%d", l.name, n) }

func (l lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func newLab(t *testing.T, nodes int) lab {
	t.Helper()
	if _, err := exec.LookPath("keepalived"); err != nil {
		t.Fatal("this test needs keepalived: apt-get install keepalived")
	}
	l := lab{t, fmt.Sprintf("na-wire-%d", os.Getpid())}
	br := l.name + "-br"
	t.Cleanup(func() {
		for n := range nodes {
			_ = exec.Command("ip", "netns", "del", l.node(n+1)).Run()
		}
		_ = exec.Command("ip", "netns", "del", br).Run()
	})
	l.ip("netns", "add", br)
	l.ip("-n", br, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	l.ip("-n", br, "link", "set", "br0", "up")
	for n := 1; n <= nodes; n++ {
		l.ip("netns", "add", l.node(n))
		l.ip("-n", br, "link", "add", fmt.Sprintf("p%d", n), "type", "veth", "peer", "name", "eth0", "netns", l.node(n))
		l.ip("-n", br, "link", "set", fmt.Sprintf("p%d", n), "master", "br0", "up")
		l.ip("-n", l.node(n), "link", "set", "lo", "up")
		l.ip("-n", l.node(n), "addr", "add", fmt.Sprintf("10.66.0.%d/24", n), "dev", "eth0")
		l.ip("-n", l.node(n), "addr", "add", fmt.Sprintf("fd66::%d/64", n), "dev", "eth0", "nodad")
		l.ip("-n", l.node(n), "link", "set", "eth0", "addrgenmode", "none")
		l.ip("-n", l.node(n), "link", "set", "eth0", "up")
		l.ip("-n", l.node(n), "addr", "add", fmt.Sprintf("fe80::%d/64", n), "dev", "eth0", "nodad")
	}
	return l
}

// keepalived runs one until the returned function is called.
func (l lab) keepalived(n int, conf string) (stop func()) {
	l.t.Helper()
	dir := l.t.TempDir()
	file := filepath.Join(dir, "k.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", l.node(n), "keepalived", "-n", "-l", "-P", "-f", file, "-p", filepath.Join(dir, "pid"), "-r", filepath.Join(dir, "vrrp.pid"))
	log := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			if l.t.Failed() {
				l.t.Logf("keepalived of node %d:\n%s", n, log)
			}
		})
	}
	l.t.Cleanup(stop)
	return stop
}

// interval is the shortest that a version has, or a fifth of a second.
func interval(version int) time.Duration {
	if version == 2 {
		return time.Second
	}
	return 200 * time.Millisecond
}

func conf(version, vrid, priority int, vips ...string) string {
	return fmt.Sprintf("global_defs {\n vrrp_version %d\n}\nvrrp_instance V {\n interface eth0\n virtual_router_id %d\n priority %d\n advert_int %g\n virtual_ipaddress {\n %s\n }\n}\n",
		version, vrid, priority, interval(version).Seconds(), strings.Join(vips, "\n "))
}

// listenOn runs a Wire in a node's namespace.
func (l lab) listenOn(n int, own func() []Own) (*Wire, *health.Board) {
	l.t.Helper()
	board := health.NewBoard(nil, Conditions()...)
	w := New(func() Config { return Config{Own: own, Interval: 200 * time.Millisecond, ProbeInterval: time.Second} }, board, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		ns, err := netns.GetFromName(l.node(n))
		if err == nil {
			err = netns.Set(ns)
			ns.Close()
		}
		if err == nil {
			err = w.Run(ctx)
		}
		done <- err
	}()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			l.t.Errorf("the listener ended: %v", err)
		}
	})
	return w, board
}

// await waits for the words of VRRPWire.
func await(t *testing.T, w *Wire, board *health.Board, want string) {
	t.Helper()
	began, got := time.Now(), ""
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	_ = board.Watch(ctx, nil, func(s health.Snapshot) {
		st, _ := s.Of("VRRPWire")
		e := st.Worst()
		got = strings.TrimSpace(e.Status.String()+" "+e.ReasonName()) + ": " + e.Message
		if strings.Contains(got, want) {
			cancel()
		}
	})
	if !strings.Contains(got, want) {
		v, _ := w.View.Get()
		t.Fatalf("it is %q, want %q; view %+v", got, want, v)
	}
	t.Logf("%s after %v", got, time.Since(began).Round(time.Millisecond))
}

func own(vrid int, vips ...string) Own {
	o := Own{Name: "V", Interface: "eth0", VRID: vrid, Version: 3, Interval: interval(3), Known: true}
	for _, v := range vips {
		o.VIPs = append(o.VIPs, netip.MustParsePrefix(v).Addr())
	}
	o.V6 = o.VIPs[0].Is6()
	return o
}

// TestRealAdverts hears both versions and both families of real keepalived, from a node that does not take part.
func TestRealAdverts(t *testing.T) {
	l := newLab(t, 2)
	four, six := own(7, "10.66.0.100/24"), own(7, "fe80::100/64", "fd66::100/64")
	six.Name = "V6"
	w, board := l.listenOn(1, func() []Own { return []Own{four, six} })
	stop := l.keepalived(2, conf(2, 7, 100, "10.66.0.100/24"))
	await(t, w, board, "failing NoMaster") // of V6
	peer := func(version int, v6 bool) {
		t.Helper()
		await(t, w, board, "") // any
		deadline := time.Now().Add(20 * time.Second)
		for time.Now().Before(deadline) {
			v, _ := w.View.Get()
			for _, p := range v.Peers {
				if p.Version == version && p.Address.Is6() == v6 && p.Adverts >= 2 && p.Live {
					if p.Priority != 100 || p.Interval != interval(version) || p.VRID != 7 || p.MAC == "" || len(v.Malformed) != 0 {
						t.Errorf("peer %+v, malformed %v", p, v.Malformed)
					}
					return
				}
			}
			select {
			case <-time.After(50 * time.Millisecond): // the view has no watch; this is a poll with a deadline
			case <-t.Context().Done():
			}
		}
		v, _ := w.View.Get()
		t.Fatalf("no VRRPv%d (IPv6 %v) was heard: %+v", version, v6, v)
	}
	peer(2, false)
	stop()
	stop = l.keepalived(2, conf(3, 7, 100, "10.66.0.100/24"))
	peer(3, false)
	stop()
	l.keepalived(2, conf(3, 7, 100, "fe80::100/64", "fd66::100/64"))
	peer(3, true)
}

// TestRealClashes: a foreign VRID, other VIPs, two masters of different versions, and their end.
func TestRealClashes(t *testing.T) {
	l := newLab(t, 3)
	o := own(7, "10.66.0.100/24")
	w, board := l.listenOn(1, func() []Own { return []Own{o} })
	l.keepalived(2, conf(3, 7, 100, "10.66.0.100/24"))
	await(t, w, board, "ok: 10.66.0.2 is master with priority 100")

	isolate := func(how string) { // ports that are isolated don't hear one another; the listener's hears both
		for _, port := range []string{"p2", "p3"} {
			l.ip("-n", l.name+"-br", "link", "set", port, "type", "bridge_slave", "isolated", how)
		}
	}
	isolate("on")
	stop := l.keepalived(3, conf(3, 7, 90, "10.66.0.100/24"))
	await(t, w, board, "failing SplitBrain: 10.66.0.2 and 10.66.0.3 are masters of VRID 7 at once")
	isolate("off")
	await(t, w, board, "ok: 10.66.0.2 is master")
	stop()

	// keepalived 2.2.7 puts its own advert off at each one that it refuses, so that at one interval the two of them fall silent at random.
	sooner := func(c string) string { return strings.Replace(c, "advert_int 0.2\n", "advert_int 0.05\n", 1) }
	stop = l.keepalived(3, sooner(conf(3, 7, 90, "10.66.0.200/24")))
	await(t, w, board, "failing ForeignVRID: VRID 7 on eth0 is used by 10.66.0.3 for 10.66.0.200")
	stop()
	await(t, w, board, "ok: 10.66.0.2 is master")

	stop = l.keepalived(3, sooner(conf(3, 7, 90, "10.66.0.100/24", "10.66.0.101/24")))
	await(t, w, board, "failing DifferentVIPs: 10.66.0.3")
	stop()
	await(t, w, board, "ok: 10.66.0.2 is master")
}

// TestRealDuplicate: no advert is heard (a switch drops multicast, or keepalived was killed), and the probe finds the other holder.
func TestRealDuplicate(t *testing.T) {
	for _, vip := range []string{"10.66.0.100/24", "fd66::100/64"} {
		t.Run(vip, func(t *testing.T) {
			l := newLab(t, 2)
			o := own(7, vip)
			o.Holds = true
			add := func(n int) {
				args := []string{"-n", l.node(n), "addr", "add", vip, "dev", "eth0"}
				if o.V6 {
					args = append(args, "nodad")
				}
				l.ip(args...)
			}
			add(1)
			w, board := l.listenOn(1, func() []Own { return []Own{o} })
			await(t, w, board, "ok: this node is the only master")
			add(2)
			await(t, w, board, "failing DuplicateVIP: ")
			l.ip("-n", l.node(2), "addr", "del", vip, "dev", "eth0")
			await(t, w, board, "ok: this node is the only master")
			v, _ := w.View.Get()
			if v.Probes == 0 || v.Failures != 0 {
				t.Errorf("view %+v", v)
			}
		})
	}
}

// TestInterfaceGoesAndComes: a listener follows its interface.
func TestInterfaceGoesAndComes(t *testing.T) {
	l := newLab(t, 2)
	o := own(7, "10.66.0.100/24")
	w, board := l.listenOn(1, func() []Own { return []Own{o} })
	await(t, w, board, "ok")
	l.ip("-n", l.node(1), "link", "set", "eth0", "down")
	l.ip("-n", l.node(1), "link", "set", "eth0", "name", "eth9")
	await(t, w, board, "unknown NotListening: there is no interface eth0")
	l.ip("-n", l.node(1), "link", "set", "eth9", "name", "eth0")
	l.ip("-n", l.node(1), "link", "set", "eth0", "up")
	l.keepalived(2, conf(3, 7, 100, "10.66.0.100/24"))
	await(t, w, board, "ok: 10.66.0.2 is master")
}
