package keepalive

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Address is one address of this node.
type Address struct {
	Addr      netip.Addr
	Interface string
}

// readAddresses lists where this network namespace has the addresses that are wanted. Only their interfaces are read by name: a node with many pods
// has hundreds of others.
func readAddresses(wanted map[netip.Addr]bool) ([]Address, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var out []Address
	for _, a := range list {
		addr, ok := netip.AddrFromSlice(a.IP)
		if addr = addr.Unmap(); !ok || !wanted[addr] {
			continue
		}
		l, err := netlink.LinkByIndex(a.LinkIndex)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			continue // its interface went away meanwhile, and the address with it
		}
		if err != nil {
			return nil, fmt.Errorf("read link %d: %w", a.LinkIndex, err)
		}
		out = append(out, Address{Addr: addr, Interface: l.Attrs().Name})
	}
	return out, nil
}

// addressWatch wakes at each change of an address: the message is not read, for a wake reads everything again.
type addressWatch struct {
	wake  func()
	ready chan struct{}
	once  sync.Once
}

func newAddressWatch(wake func()) *addressWatch {
	return &addressWatch{wake: wake, ready: make(chan struct{})}
}

// Run watches until ctx ends.
func (w *addressWatch) Run(ctx context.Context) error {
	file, err := subscribe()
	w.once.Do(func() { close(w.ready) })
	if err != nil {
		return err
	}
	defer file.Close()
	defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Now()) })()
	w.wake() // what happened before is not told
	b := make([]byte, 64<<10)
	for {
		_, err := file.Read(b)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ENOBUFS): // changes were lost, and are read now
		case err != nil:
			return fmt.Errorf("watch addresses: %w", err)
		}
		w.wake()
	}
}

// subscribe opens a route socket that is told of addresses, as a file that waits in the poller.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("watch addresses: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch addresses: %w", err)
	}
	return os.NewFile(uintptr(fd), "route socket"), nil
}

// Ready is closed once the watch stands, or can't.
func (w *addressWatch) Ready() <-chan struct{} { return w.ready }

// Beat is always now: the task only waits.
func (w *addressWatch) Beat() time.Time { return time.Now() }

// Bound is generous, for nothing here takes time.
func (w *addressWatch) Bound() time.Duration { return 30 * time.Second }

func (w *addressWatch) String() string { return "VIP addresses" }
