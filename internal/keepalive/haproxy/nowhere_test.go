package haproxy

import (
	"testing"
	"time"
)

// TestNowhere: a node with no balancer is not searched through at every look; a configuration, or the next search, finds one.
func TestNowhere(t *testing.T) {
	n := newNode(t)
	b := &Balancer{}
	c := Config{Root: n.root}
	if p := b.find(c); len(p.Processes) != 0 || b.nowhere == nil {
		t.Fatalf("found %+v", p)
	}
	n.process(70, "haproxy", "/usr/sbin/haproxy -f /etc/haproxy/haproxy.cfg", "net:[1]", "mnt:[1]", "/")
	if p := b.find(c); len(p.Processes) != 0 {
		t.Errorf("it was searched for again at once: %+v", p)
	}
	b.scanned = time.Now().Add(-rescan)
	if p := b.find(c); len(p.Processes) != 1 || b.nowhere != nil {
		t.Errorf("it is not found at the next search: %+v", p)
	}

	n = newNode(t)
	b, c = &Balancer{}, Config{Root: n.root}
	n.write("etc/haproxy/haproxy.cfg", someConfig)
	b.find(c)
	n.process(70, "haproxy", "/usr/sbin/haproxy -f /etc/haproxy/haproxy.cfg", "net:[1]", "mnt:[1]", "/")
	if p := b.find(c); len(p.Processes) != 0 || p.Path == "" {
		t.Errorf("a node whose balancer is down was searched at once: %+v", p)
	}
	b.scanned = time.Time{} // as when its socket or a port tells of one
	if p := b.find(c); len(p.Processes) != 1 {
		t.Errorf("it is not found: %+v", p)
	}

	n = newNode(t)
	b, c = &Balancer{}, Config{Root: n.root}
	b.find(c)
	n.write("etc/haproxy/haproxy.cfg", someConfig)
	n.process(70, "haproxy", "/usr/sbin/haproxy -f /etc/haproxy/haproxy.cfg", "net:[1]", "mnt:[1]", "/")
	if p := b.find(c); len(p.Processes) != 1 || p.Path == "" {
		t.Errorf("with a configuration it is found at once, and was not: %+v", p)
	}
}
