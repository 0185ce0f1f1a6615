package haproxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Heard is one listening TCP socket of this network namespace.
type Heard struct {
	Addr    netip.Addr // the zero Addr: every address, of both families or of Family alone
	Port    uint16
	Family  uint8  // AF_INET or AF_INET6; an AF_INET6 socket on every address takes IPv4 too, unless it is v6only, which sock_diag does not tell here
	Waiting uint32 // connections that wait to be accepted
	Queue   uint32 // as many may wait
	Inode   uint32 // of the socket, as in /proc/PID/fd
}

// hears reports whether the socket takes connections to what a bind names.
func (h Heard) hears(b Bind) bool {
	switch {
	case h.Port != b.Port:
		return false
	case !h.Addr.IsValid():
		return !b.Addr.IsValid() || b.Addr.Is4() || h.Family == unix.AF_INET6
	default:
		return h.Addr == b.Addr.Unmap()
	}
}

const (
	inetDiagReqLen = 56 // struct inet_diag_req_v2, linux/inet_diag.h
	inetDiagMsgLen = 72 // struct inet_diag_msg
	tcpListen      = 10 // TCP_LISTEN, net/tcp_states.h
	maxHeard       = 65536
)

// listening asks the kernel for the listening TCP sockets of this network namespace. It connects to nothing and needs no privilege.
func listening() ([]Heard, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	defer unix.Close(fd)
	// The kernel answers at once; the bound is for a kernel that does not.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	var out []Heard
	buf := make([]byte, 16<<10) // the kernel makes its answers no longer than what is there to take them
	for i, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		got, err := dump(fd, family, uint32(i+1), buf)
		if errors.Is(err, unix.ENOENT) && family == unix.AF_INET6 {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list listening sockets: %w", err)
		}
		out = append(out, got...)
	}
	return out, nil
}

func dump(fd int, family uint8, seq uint32, buf []byte) ([]Heard, error) {
	req := make([]byte, unix.NLMSG_HDRLEN+inetDiagReqLen)
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(req[8:], seq)
	body := req[unix.NLMSG_HDRLEN:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(body[4:], 1<<tcpListen)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var out []Heard
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Seq != seq:
			case m.Header.Type == unix.NLMSG_DONE:
				return out, nil
			case m.Header.Type == unix.NLMSG_ERROR:
				if len(m.Data) < 4 {
					return nil, unix.EBADMSG
				}
				return nil, syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
			default:
				if h, ok := parseDiag(m.Data); ok && len(out) < maxHeard {
					out = append(out, h)
				}
			}
		}
	}
}

// parseDiag reads one struct inet_diag_msg.
func parseDiag(b []byte) (Heard, bool) {
	if len(b) < inetDiagMsgLen || b[1] != tcpListen {
		return Heard{}, false
	}
	h := Heard{Family: b[0], Port: binary.BigEndian.Uint16(b[4:]), Waiting: binary.NativeEndian.Uint32(b[56:]), Queue: binary.NativeEndian.Uint32(b[60:]),
		Inode: binary.NativeEndian.Uint32(b[68:])}
	var a netip.Addr
	switch h.Family {
	case unix.AF_INET:
		a = netip.AddrFrom4([4]byte(b[8:12]))
	case unix.AF_INET6:
		a = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	default:
		return Heard{}, false
	}
	if !a.IsUnspecified() {
		h.Addr = a
	}
	return h, true
}
