//go:build integration

package snippet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func command(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestRealKeepalivedAccepts(t *testing.T) {
	ns := fmt.Sprintf("na-snip-%d", os.Getpid())
	command(t, "ip", "netns", "add", ns)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	command(t, "ip", "-n", ns, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
	command(t, "ip", "-n", ns, "addr", "add", "10.0.0.11/24", "dev", "eth0")
	command(t, "ip", "-n", ns, "link", "set", "eth0", "up")
	command(t, "ip", "-n", ns, "link", "set", "lo", "up")
	for name, v := range map[string]VIP{"multicast": vip(), "unicast": unicast()} {
		dir := t.TempDir()
		v.VerdictDir, v.FIFO = dir, filepath.Join(dir, "fifo")
		file := filepath.Join(dir, "keepalived.conf")
		if err := os.WriteFile(file, []byte(text(t, func(b *strings.Builder) error { return v.Keepalived(b) })), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := command(t, "ip", "netns", "exec", ns, "keepalived", "-t", "-f", file); strings.TrimSpace(out) != "" {
			t.Errorf("%s: keepalived has something to say: %s", name, out)
		}
	}
}

func TestRealHAProxyAccepts(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	command(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ca", "-keyout", filepath.Join(dir, "ca.key"), "-out", ca)
	verified := balancer()
	verified.CA = ca
	for name, b := range map[string]Balancer{"default": balancer(), "with a CA": verified} {
		b.Socket = filepath.Join(dir, "s.sock")
		file := filepath.Join(dir, "haproxy.cfg")
		if err := os.WriteFile(file, []byte(text(t, func(w *strings.Builder) error { return b.HAProxy(w) })), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := command(t, "haproxy", "-c", "-f", file); strings.Contains(out, "WARNING") || strings.Contains(out, "ALERT") {
			t.Errorf("%s: haproxy has something to say: %s", name, out)
		}
	}
}
