package netcheck

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"nodeagent/internal/view"
)

// tries is how many probes in a row go unanswered before a peer counts as down.
const tries = 3

// probed is what is known of one peer by its probes.
type probed struct {
	Peer
	optional bool // host-gw: its answer depends on a bridge that the first pod makes
	target   netip.Addr

	window   []bool // answered or not, the newest last
	rtt      time.Duration
	answered time.Time // zero: never
	at       time.Time // of the last probe; zero: none
	up       bool
	fail     string // why the last probe failed
	underlay answer // no, yes, or maybe: not asked
	fullAt   time.Time
	mtu      int // that passed; 0: not known
	want     int // that should
}

// echo is pinger.ping of the right family.
type echo func(ctx context.Context, to netip.Addr, size int, df bool) (time.Duration, error)

// headers are the bytes of IP and ICMP around an echo's payload.
func headers(ip netip.Addr) int {
	if ip.Is6() {
		return 48
	}
	return 28
}

// probe asks one peer once, with retries, and its underlay if it stays silent.
func (p *probed) probe(ctx context.Context, cfg Config, send echo, observe func(time.Duration)) {
	wasUp := p.up
	p.up, p.fail = false, ""
	for range tries {
		rtt, err := p.once(ctx, cfg, send, p.target, 56, false)
		if ctx.Err() != nil {
			p.up = wasUp
			return
		}
		if err == nil {
			if !wasUp { // losses of an outage that is over say nothing of the path now
				p.window = nil
			}
			p.up, p.rtt, p.answered = true, rtt, time.Now()
			if observe != nil {
				observe(rtt)
			}
		} else {
			p.fail = err.Error()
		}
		p.window = append(p.window, err == nil)
		p.window = p.window[max(0, len(p.window)-cfg.ProbeWindow):]
		if p.up {
			break
		}
	}
	p.at = time.Now()
	p.underlay = maybe
	if !p.up && p.Underlay.IsValid() {
		p.underlay = no
		for range 2 {
			if _, err := p.once(ctx, cfg, send, p.Underlay, 56, false); err == nil {
				p.underlay = yes
				break
			}
		}
	}
	if p.up && p.want > 0 && time.Since(p.fullAt) >= cfg.FullSizeInterval {
		p.full(ctx, cfg, send)
	}
}

func (p *probed) once(ctx context.Context, cfg Config, send echo, to netip.Addr, size int, df bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.ProbeTimeout)
	defer cancel()
	return send(ctx, to, size, df)
}

// plateaus are sizes of packets, in bytes, that paths are known to end at.
var plateaus = []int{8900, 4000, 1500, 1492, 1480, 1450, 1442, 1430, 1420, 1400, 1380, 1350, 1300, 1280, 1200, 1000, 576}

// full asks with a packet of full size that must not be fragmented. If it gets lost twice the largest size that passes is looked for.
func (p *probed) full(ctx context.Context, cfg Config, send echo) {
	over := headers(p.target)
	for range 2 {
		if _, err := p.once(ctx, cfg, send, p.target, p.want-over, true); err == nil {
			p.mtu, p.fullAt = p.want, time.Now()
			return
		} else if !errors.Is(err, errNoAnswer) && !errors.Is(err, errTooLarge) || ctx.Err() != nil {
			return
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	best := 0
	for _, size := range plateaus {
		if size >= p.want {
			continue
		}
		all.Go(func() {
			if _, err := p.once(ctx, cfg, send, p.target, size-over, true); err == nil {
				mu.Lock()
				best = max(best, size)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if ctx.Err() == nil && best > 0 {
		p.mtu = best
		p.fullAt = time.Time{} // ask again next time: it may be mended
	}
}

func (p *probed) loss() float64 {
	lost := 0
	for _, ok := range p.window {
		if !ok {
			lost++
		}
	}
	if len(p.window) == 0 {
		return 0
	}
	return float64(lost) / float64(len(p.window))
}

// round probes the peers of one round beside each other, each after a pause of its own so that nodes don't ask in step.
func round(ctx context.Context, cfg Config, peers []*probed, send func(ipv6 bool) echo, observe func(time.Duration)) {
	spread := min(cfg.ProbeInterval/4, 500*time.Millisecond)
	var all sync.WaitGroup
	for _, p := range peers {
		all.Go(func() {
			if spread > 0 && !p.at.IsZero() {
				select {
				case <-ctx.Done():
					return
				case <-time.After(rand.N(spread)):
				}
			}
			p.probe(ctx, cfg, send(p.target.Is6()), observe)
		})
	}
	all.Wait()
}

// targetOf is the address that answers for a peer: its overlay device's, or for host-gw the bridge's, which the first pod there makes.
func targetOf(p Peer, backend string) (target netip.Addr, optional bool) {
	if backend == HostGW {
		return p.Overlay.Next(), true
	}
	return p.Overlay, false
}

// view shows a peer.
func (p *probed) view() view.Peer {
	v := view.Peer{Subnet: p.Subnet, Node: p.Node, Underlay: p.Underlay, Device: p.Device, State: view.PeerUnknown, RTT: p.rtt, Loss: p.loss(), Probes: len(p.window),
		PathMTU: p.mtu, Answered: p.answered}
	switch {
	case p.at.IsZero():
		v.Message = "not probed yet"
	case p.up:
		v.State = view.PeerUp
	case p.underlay == no:
		v.State, v.Message = view.PeerDown, fmt.Sprintf("%s: %s; its node %s does not answer either", p.target, p.fail, p.Underlay)
	case p.optional && p.answered.IsZero() && p.underlay == yes:
		v.State, v.Message = view.PeerUp, "its node answers; its bridge has not answered yet: it may have no pod"
	default:
		v.State, v.Message = view.PeerUnreachable, fmt.Sprintf("%s: %s", p.target, p.fail)
		if p.underlay == yes {
			v.Message += fmt.Sprintf("; its node %s answers", p.Underlay)
		}
	}
	return v
}
