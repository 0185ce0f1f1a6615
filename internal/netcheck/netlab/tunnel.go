package netlab

import (
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// tunnel makes flannel0 and carries its packets over udp/8285 while the test runs, as flanneld's backend udp does.
func (h *Host) tunnel() {
	h.lab.t.Helper()
	tun, conn, err := h.open()
	if err != nil {
		h.lab.t.Fatal(err)
	}
	h.IP(fmt.Sprintf("link set flannel0 mtu %d", h.lab.MTU()), fmt.Sprintf("addr add 10.244.%d.0/32 dev flannel0", h.N), "link set flannel0 up",
		"route add 10.244.0.0/16 dev flannel0")
	var both sync.WaitGroup
	both.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := tun.Read(b)
			if err != nil {
				return
			}
			if n >= 20 && b[0]>>4 == 4 && b[16] == 10 && b[17] == 244 { // by the destination's third byte
				_, _ = conn.WriteTo(b[:n], &net.UDPAddr{IP: net.IPv4(192, 168, 77, b[18]), Port: 8285})
			}
		}
	})
	both.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = tun.Write(b[:n]) // fails while the device is down
		}
	})
	h.lab.t.Cleanup(func() {
		_ = tun.Close()
		_ = conn.Close()
		both.Wait()
	})
}

// open opens the device and the socket inside the host's namespace.
func (h *Host) open() (*os.File, net.PacketConn, error) {
	type both struct {
		tun  *os.File
		conn net.PacketConn
	}
	b, err := within(h.Netns, func() (both, error) {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return both{}, err
		}
		req, err := unix.NewIfreq("flannel0")
		if err == nil {
			req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
		}
		if err != nil {
			_ = unix.Close(fd)
			return both{}, err
		}
		conn, err := net.ListenPacket("udp4", h.UnderlayIP()+":8285")
		return both{os.NewFile(uintptr(fd), "tun"), conn}, err
	})
	return b.tun, b.conn, err
}
