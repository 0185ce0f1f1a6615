package api

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// peer is who connected, as the kernel knew it at connect(2): see SO_PEERCRED in unix(7).
type peer struct {
	pid int32
	uid uint32
}

// withPeer puts the peer of a unix connection into the context of its requests; a connection of another kind has none.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer{pid: cred.Pid, uid: cred.Uid})
}

func peerOf(ctx context.Context) (peer, bool) {
	p, ok := ctx.Value(peerKey{}).(peer)
	return p, ok
}
