package netcheck

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// rtnl is one rtnetlink socket. It stays in the namespace it was opened in.
type rtnl struct {
	sockets map[int]*nl.SocketHandle
	timeout time.Duration
}

func openRtnl(timeout time.Duration) (*rtnl, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	if err := errors.Join(s.SetSendTimeout(&tv), s.SetReceiveTimeout(&tv)); err != nil {
		s.Close()
		return nil, fmt.Errorf("set rtnetlink deadline: %w", err)
	}
	return &rtnl{sockets: map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}, timeout: timeout}, nil
}

func (r *rtnl) close() { r.sockets[unix.NETLINK_ROUTE].Close() }

// dumpTries is how often a dump is begun again that a change in the kernel cut into (NLM_F_DUMP_INTR).
const dumpTries = 5

// message is the fixed part of a request.
type message []byte

func (m message) Len() int          { return len(m) }
func (m message) Serialize() []byte { return m }

// dump lists what the kernel holds. head is the fixed part of the request: its first byte is the family.
func dump[T any](ctx context.Context, r *rtnl, get, is uint16, head message, parse func([]byte) (T, bool)) ([]T, error) {
	var err error
	for range dumpTries {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var out []T
		req := nl.NewNetlinkRequest(int(get), unix.NLM_F_DUMP)
		req.Sockets = r.sockets
		req.AddData(head)
		err = req.ExecuteIter(unix.NETLINK_ROUTE, is, func(b []byte) bool {
			if v, ok := parse(b); ok {
				out = append(out, v)
			}
			return true
		})
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			if errors.Is(err, unix.EAGAIN) {
				err = fmt.Errorf("no answer within %v", r.timeout)
			}
			return nil, err
		}
	}
	return nil, fmt.Errorf("it changes too fast to be read: %w", err)
}

func head(size int, family byte) message {
	m := make(message, size)
	m[0] = family
	return m
}

// lookup asks the kernel which way it would send to an address, rules and all.
func (r *rtnl) lookup(ip netip.Addr) Lookup {
	family := byte(unix.AF_INET)
	if ip.Is6() {
		family = unix.AF_INET6
	}
	m := head(unix.SizeofRtMsg, family)
	m[1] = byte(ip.BitLen())
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	req.Sockets = r.sockets
	req.AddData(m)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, ip.AsSlice()))
	out := Lookup{Dst: ip}
	err := req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE, func(b []byte) bool {
		if route, src, mtu, ok := parseRouteWhole(b); ok {
			out.Link, out.Gateway, out.Table, out.Type, out.Src, out.MTU = route.Link, route.Gateway, route.Table, route.Type, src, mtu
		}
		return true
	})
	if err != nil {
		out.Error = err.Error()
	}
	return out
}
