package netcheck

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// groups of rtnetlink that tell of what is read. One socket for all of them keeps their order.
var groups = []uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
}

// subscribe opens a netlink socket that hears the groups, in the namespace of the calling thread. Closing the file ends a read on it.
func subscribe(protocol int, groups ...uint) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	sa := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	for _, g := range groups {
		sa.Groups |= 1 << (g - 1)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20) // as much as rmem_max allows
	if err := unix.Bind(fd, sa); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// listener hears one netlink protocol and opens its socket anew when that breaks, ENOBUFS included: what was missed is read again.
type listener struct {
	name     string
	protocol int
	groups   []uint
	netns    func() string
	hear     func(kind uint16, body []byte) (wake bool) // of each message
	wake     func()
	broke    func(error) // a socket could not be opened or broke; not for ENOBUFS
	fine     func()      // a socket is open

	overruns *atomic.Uint64 // sockets opened anew after ENOBUFS
}

// reopen is the pause before a socket that could not be had is tried again.
const reopen = 5 * time.Second

func (l *listener) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.once(ctx)
		if ctx.Err() != nil {
			return
		}
		l.wake() // what came meanwhile told nobody
		if errors.Is(err, unix.ENOBUFS) {
			l.overruns.Add(1)
			continue
		}
		l.broke(err)
		select {
		case <-ctx.Done():
		case <-time.After(reopen):
		}
	}
}

func (l *listener) once(ctx context.Context) error {
	var f *os.File
	err := inside(l.netns(), func() (err error) {
		f, err = subscribe(l.protocol, l.groups...)
		return err
	})
	if err != nil {
		return fmt.Errorf("listen to %s: %w", l.name, err)
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	l.fine()
	l.wake() // what came before the socket told nobody
	buffer := make([]byte, 64<<10)
	for {
		size, fail := 0, error(nil)
		err := raw.Read(func(fd uintptr) bool {
			size, _, fail = unix.Recvfrom(int(fd), buffer, 0)
			return !errors.Is(fail, unix.EAGAIN) && !errors.Is(fail, unix.EINTR)
		})
		if err == nil {
			err = fail
		}
		if err != nil {
			return fmt.Errorf("hear %s: %w", l.name, err)
		}
		if l.each(buffer[:size]) {
			l.wake()
		}
	}
}

// each walks the messages of one datagram and tells whether one of them matters.
func (l *listener) each(b []byte) (wake bool) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := u32(b)
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return true // not understood: better one look too many
		}
		if l.hear(binary.NativeEndian.Uint16(b[4:]), b[unix.NLMSG_HDRLEN:size]) {
			wake = true
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return wake
}

// matters passes over the life of neighbours that are not Flannel's: ARP entries come and go all the time on every other device.
func matters(devices map[int]bool) func(uint16, []byte) bool {
	return func(kind uint16, b []byte) bool {
		if kind != unix.RTM_NEWNEIGH && kind != unix.RTM_DELNEIGH || devices == nil || len(b) < unix.SizeofNdMsg {
			return true
		}
		return devices[u32(b[4:])]
	}
}
