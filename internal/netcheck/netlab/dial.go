package netlab

import (
	"context"
	"net"
)

// Dial connects to an address as a process on the host does.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return within(h.Netns, func() (net.Conn, error) { return new(net.Dialer).DialContext(ctx, network, address) })
}
