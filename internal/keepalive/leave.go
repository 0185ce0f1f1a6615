package keepalive

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// leaveFor bounds what Leave began: a shutdown that hangs must not keep a node that stays up without the VIP.
	leaveFor = 10 * time.Minute
	// leaveWait is how long Leave waits for the VIP to be gone: three adverts and the skew time of VRRP at 1 s, with room.
	leaveWait = 5 * time.Second
	leaveLook = 50 * time.Millisecond
)

var errStillHere = errors.New("the VIP is still on this node: no other node took it, or keepalived does not follow the verdict")

// Leave lowers every verdict as maintenance does, because the node goes down, and waits until no VIP is left on it: 5 s at most, or until ctx
// ends. Nobody is asked and nothing is kept: what boots next decides anew. Stay takes it back.
func (k *Keepalive) Leave(ctx context.Context) error {
	now := time.Now()
	k.departing.Store(&Maintenance{Since: now, Until: now.Add(leaveFor), Reason: "the node goes down"})
	k.writer.Wake()
	ctx, cancel := context.WithTimeout(ctx, leaveWait)
	defer cancel()
	look := time.NewTicker(leaveLook)
	defer look.Stop()
	for k.holds() {
		select {
		case <-ctx.Done():
			return errStillHere
		case <-look.C:
		}
	}
	return nil
}

// LeaveTime is how long Leave may take: 0 where no instance follows a verdict of ours.
func (k *Keepalive) LeaveTime() time.Duration {
	instances, _ := k.vrrp.shown.Get()
	if slices.ContainsFunc(instances, func(i InstanceView) bool { return i.Tracked }) {
		return leaveWait
	}
	return 0
}

// Stay takes Leave back: the node does not go down after all.
func (k *Keepalive) Stay() {
	k.departing.Store(nil)
	k.writer.Wake()
}

// holds says whether a VIP that follows a verdict of ours is on this node.
func (k *Keepalive) holds() bool {
	instances, _ := k.vrrp.shown.Get()
	return slices.ContainsFunc(instances, func(i InstanceView) bool {
		return i.Tracked && slices.ContainsFunc(i.VIPs, func(v VIP) bool { return v.Present })
	})
}
