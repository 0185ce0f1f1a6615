package netlab

import (
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// within opens something inside a namespace, on a thread that is not used again.
func within[T any](path string, open func() (T, error)) (out T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var ns *os.File
		if ns, err = os.Open(path); err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			out, err = open()
		}
	}()
	<-done
	return out, err
}

// Reaches tells whether the host's pod gets an answer from another host's pod, asked twice, within 200 ms each.
func (h *Host) Reaches(other *Host) bool {
	h.lab.t.Helper()
	return h.ReachesWithin(other, 200*time.Millisecond)
}

// ReachesWithin is Reaches with another time for each of the two answers.
func (h *Host) ReachesWithin(other *Host, d time.Duration) bool {
	h.lab.t.Helper()
	c, err := within("/run/netns/"+h.Pod, func() (*icmp.PacketConn, error) { return icmp.ListenPacket("ip4:icmp", "0.0.0.0") })
	if err != nil {
		h.lab.t.Fatal(err)
	}
	defer c.Close()
	for seq := range 2 {
		m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: seq, Data: make([]byte, 1000)}}
		b, err := m.Marshal(nil)
		if err != nil {
			h.lab.t.Fatal(err)
		}
		_, _ = c.WriteTo(b, &net.IPAddr{IP: net.ParseIP(other.PodIP())})
		if answered(c, other.PodIP(), time.Now().Add(d)) {
			return true
		}
	}
	return false
}

func answered(c *icmp.PacketConn, from string, until time.Time) bool {
	_ = c.SetReadDeadline(until)
	b := make([]byte, 2000)
	for {
		n, addr, err := c.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		if err != nil {
			continue
		}
		if m, err := icmp.ParseMessage(1, b[:n]); err == nil && m.Type == ipv4.ICMPTypeEchoReply && addr.String() == from {
			return true
		}
	}
}
