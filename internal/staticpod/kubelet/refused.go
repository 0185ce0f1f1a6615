package kubelet

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// refused reports whether a port of this node is known to be closed. Where no kubelet is, that is asked every two seconds for ever, so it is four
// system calls; false is no answer.
func refused(address string) bool {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return false
	}
	var to unix.Sockaddr
	family := unix.AF_INET
	if ip := at.Addr().Unmap(); ip.Is4() {
		to = &unix.SockaddrInet4{Port: int(at.Port()), Addr: ip.As4()}
	} else {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: ip.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, to); err {
	case unix.ECONNREFUSED:
		return true
	case unix.EINPROGRESS: // on loopback the refusal is there by now
		no, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		return err == nil && unix.Errno(no) == unix.ECONNREFUSED
	}
	return false
}
