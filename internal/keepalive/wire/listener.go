package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The groups that adverts go to: 224.0.0.18 and ff02::12.
var groups = []net.HardwareAddr{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}, {0x33, 0x33, 0x00, 0x00, 0x00, 0x12}}

// heard is a packet of one interface.
type heard struct {
	kind  int // unix.ETH_P_IP, ETH_P_IPV6, ETH_P_ARP
	iface string
	mac   string
	data  []byte // the reader's own: valid during the call
}

// listener has the sockets of one interface.
type listener struct {
	ifi   net.Interface
	vips  []netip.Addr
	conns map[int]*packet.Conn

	readers sync.WaitGroup
	mu      sync.Mutex
	err     error // why a reader ended
}

// listen opens the sockets of an interface and begins to read. take is called from the readers, one packet at a time each.
func listen(ifi net.Interface, vips []netip.Addr, take func(heard)) (*listener, error) {
	l := &listener{ifi: ifi, vips: vips, conns: map[int]*packet.Conn{}}
	var v4 []uint32
	for _, v := range vips {
		if v.Is4() {
			b := v.As4()
			v4 = append(v4, binary.BigEndian.Uint32(b[:]))
		}
	}
	filters := map[int][]bpf.Instruction{unix.ETH_P_IP: vrrp4, unix.ETH_P_IPV6: vrrp6}
	if len(v4) > 0 {
		filters[unix.ETH_P_ARP] = arpOf(v4)
	}
	for proto, filter := range filters {
		raw, err := bpf.Assemble(filter)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("assemble a filter: %w", err)
		}
		c, err := packet.Listen(&ifi, packet.Datagram, proto, &packet.Config{Filter: raw})
		if err != nil {
			l.close()
			return nil, fmt.Errorf("listen on %s: %w", ifi.Name, err)
		}
		l.conns[proto] = c
		if proto == unix.ETH_P_ARP {
			continue
		}
		for _, g := range groups { // keepalived has joined where it runs; it may not run
			if err := c.JoinGroup(g); err != nil {
				l.close()
				return nil, fmt.Errorf("listen on %s: join %s: %w", ifi.Name, g, err)
			}
		}
	}
	for proto, c := range l.conns {
		l.readers.Go(func() { l.fail(l.read(proto, c, take)) })
	}
	return l, nil
}

// read passes packets on until the socket fails or is closed. A panic of what parses them is an error of this reader and of nothing else.
func (l *listener) read(proto int, c *packet.Conn, take func(heard)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	buf := make([]byte, snap)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		mac := ""
		if a, ok := from.(*packet.Addr); ok {
			mac = a.HardwareAddr.String()
		}
		take(heard{proto, l.ifi.Name, mac, buf[:n]})
	}
}

func (l *listener) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

// failed is why a reader has ended; nil while all of them read.
func (l *listener) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// send puts a probe for one VIP on the wire.
func (l *listener) send(vip netip.Addr) error {
	proto, b, to := unix.ETH_P_ARP, []byte(nil), net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if vip.Is4() {
		b = arpProbe(l.ifi.HardwareAddr, vip)
	} else {
		proto = unix.ETH_P_IPV6
		b, to = solicitation(vip)
	}
	c := l.conns[proto]
	if c == nil || len(l.ifi.HardwareAddr) != 6 {
		return fmt.Errorf("probe %s: %s is no Ethernet", vip, l.ifi.Name)
	}
	if _, err := c.WriteTo(b, &packet.Addr{HardwareAddr: to}); err != nil {
		return fmt.Errorf("probe %s: %w", vip, err)
	}
	return nil
}

// same reports whether the listener still fits the interface and its VIPs.
func (l *listener) same(ifi net.Interface, vips []netip.Addr) bool {
	return l.ifi.Index == ifi.Index && slices.Equal(l.ifi.HardwareAddr, ifi.HardwareAddr) && slices.Equal(l.vips, vips)
}

// close ends the readers and waits for them.
func (l *listener) close() {
	for _, c := range l.conns {
		c.Close()
	}
	l.readers.Wait()
}
