package netcheck

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Errors of a probe.
var (
	errNoAnswer = errors.New("no answer")
	errTooLarge = errors.New("too large for the path")
)

// pinger sends ICMP echo requests in one family and matches the answers. Each has two sockets: one that leaves fragments to the kernel and
// one that sets DF and ignores what the kernel remembers of the path (IP_PMTUDISC_PROBE).
type pinger struct {
	ipv6   bool
	cookie [8]byte // marks our own packets
	id     int

	mu      sync.Mutex
	seq     uint16
	waiting map[uint16]wait
	sockets [2]*icmp.PacketConn
	raw     bool
	readers sync.WaitGroup
}

type wait struct {
	to     netip.Addr
	answer chan time.Time
}

// openPinger opens raw sockets, or, where that is not allowed, ping sockets. It needs CAP_NET_RAW or a group of ping_group_range.
func openPinger(netns string, ipv6 bool) (*pinger, error) {
	p := &pinger{ipv6: ipv6, waiting: map[uint16]wait{}}
	var b [10]byte
	_, _ = rand.Read(b[:])
	copy(p.cookie[:], b[:8])
	p.id = int(b[8])<<8 | int(b[9])
	err := inside(netns, func() error {
		for i := range p.sockets {
			c, raw, err := listen(ipv6)
			if err != nil {
				return err
			}
			p.sockets[i], p.raw = c, raw
			if err := p.setup(c, i == 1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	for _, c := range p.sockets {
		p.readers.Go(func() { p.read(c) })
	}
	return p, nil
}

func listen(ipv6 bool) (*icmp.PacketConn, bool, error) {
	raw, dgram, any := "ip4:icmp", "udp4", "0.0.0.0"
	if ipv6 {
		raw, dgram, any = "ip6:ipv6-icmp", "udp6", "::"
	}
	c, err := icmp.ListenPacket(raw, any)
	if err == nil {
		return c, true, nil
	}
	if !errors.Is(err, os.ErrPermission) {
		return nil, false, err
	}
	if c, second := icmp.ListenPacket(dgram, any); second == nil {
		return c, false, nil
	}
	return nil, false, err
}

// setup sets DF and, on raw sockets, which see every ICMP packet of the node, lets only echo replies through.
func (p *pinger) setup(c *icmp.PacketConn, df bool) error {
	var conn syscall.Conn
	var ok bool
	if p.ipv6 {
		conn, ok = c.IPv6PacketConn().PacketConn.(syscall.Conn)
	} else {
		conn, ok = c.IPv4PacketConn().PacketConn.(syscall.Conn)
	}
	if !ok {
		return errors.New("socket has no descriptor")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	level, discover, mode := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT
	if df {
		mode = unix.IP_PMTUDISC_PROBE
	}
	if p.ipv6 {
		level, discover = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER
	}
	var fail error
	if err := raw.Control(func(fd uintptr) { fail = unix.SetsockoptInt(int(fd), level, discover, mode) }); err != nil || fail != nil {
		return errors.Join(err, fail)
	}
	if !p.raw {
		return nil
	}
	if p.ipv6 {
		var f ipv6.ICMPFilter
		f.SetAll(true)
		f.Accept(ipv6.ICMPTypeEchoReply)
		return c.IPv6PacketConn().SetICMPFilter(&f)
	}
	var f ipv4.ICMPFilter
	f.SetAll(true)
	f.Accept(ipv4.ICMPTypeEchoReply)
	return c.IPv4PacketConn().SetICMPFilter(&f)
}

// close ends the readers.
func (p *pinger) close() {
	for _, c := range p.sockets {
		if c != nil {
			_ = c.Close()
		}
	}
	p.readers.Wait()
}

func (p *pinger) read(c *icmp.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFrom(b)
		at := time.Now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // an ICMP error of an earlier probe, on a ping socket
			time.Sleep(time.Millisecond) // never spin on one that stays
			continue
		}
		p.take(b[:n], addrOf(from), at)
	}
}

func addrOf(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.IPAddr:
		ip = a.IP
	case *net.UDPAddr:
		ip = a.IP
	}
	out, _ := netip.AddrFromSlice(ip)
	return out.Unmap()
}

// take matches an answer with its probe: by sequence, sender and cookie.
func (p *pinger) take(b []byte, from netip.Addr, at time.Time) {
	protocol := 1
	if p.ipv6 {
		protocol = 58
	}
	m, err := icmp.ParseMessage(protocol, b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok || p.raw && echo.ID != p.id || !bytes.HasPrefix(echo.Data, p.cookie[:]) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.waiting[uint16(echo.Seq)]
	if !ok || w.to != from {
		return
	}
	delete(p.waiting, uint16(echo.Seq))
	w.answer <- at
}

// ping sends one request with size bytes of payload, at least 8, and waits until ctx ends. With df it must not be fragmented. Errors:
// errNoAnswer, errTooLarge, or why it could not be sent.
func (p *pinger) ping(ctx context.Context, to netip.Addr, size int, df bool) (time.Duration, error) {
	data := make([]byte, max(size, len(p.cookie)))
	copy(data, p.cookie[:])
	w := wait{to: to, answer: make(chan time.Time, 1)}
	p.mu.Lock()
	p.seq++
	for p.waiting[p.seq].answer != nil {
		p.seq++
	}
	seq := p.seq
	p.waiting[seq] = w
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, seq)
		p.mu.Unlock()
	}()
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: p.id, Seq: int(seq), Data: data}}
	if p.ipv6 {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil) // the kernel sums ICMPv6 by itself
	if err != nil {
		return 0, err
	}
	c := p.sockets[0]
	if df {
		c = p.sockets[1]
	}
	var dst net.Addr = &net.IPAddr{IP: to.AsSlice()}
	if !p.raw {
		dst = &net.UDPAddr{IP: to.AsSlice()}
	}
	sent := time.Now()
	if _, err := c.WriteTo(b, dst); err != nil {
		if errors.Is(err, unix.EMSGSIZE) {
			return 0, errTooLarge
		}
		return 0, fmt.Errorf("send: %w", err)
	}
	select {
	case at := <-w.answer:
		return at.Sub(sent), nil
	case <-ctx.Done():
		return 0, errNoAnswer
	}
}
