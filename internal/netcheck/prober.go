package netcheck

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"nodeagent/internal/health"
)

// prober holds what the probe task knows; of that task alone.
type prober struct {
	peers   map[netip.Prefix]*probed
	pingers [2]*pinger // IPv4, IPv6
	turn    int        // where the next round begins, above MaxProbed
}

// follow takes the peers that the last look knows, and forgets those that left.
func (p *prober) follow(peers []Peer, backend string, mtu int) []*probed {
	now := make(map[netip.Prefix]*probed, len(peers))
	out := make([]*probed, 0, len(peers))
	for _, x := range peers {
		t := p.peers[x.Subnet]
		if t == nil {
			t = &probed{}
		}
		t.Peer, t.want = x, mtu
		t.target, t.optional = targetOf(x, backend)
		if now[x.Subnet] == nil {
			now[x.Subnet] = t
			out = append(out, t)
		}
	}
	p.peers = now
	return out
}

// choose takes the next peers in turn.
func (p *prober) choose(all []*probed, most int) []*probed {
	if len(all) <= most {
		p.turn = 0
		return all
	}
	p.turn %= len(all)
	chosen := slices.Concat(all[p.turn:], all[:p.turn])[:most]
	p.turn += most
	return chosen
}

// open makes the sockets that the peers need.
func (p *prober) open(netns string, peers []*probed) error {
	for _, x := range peers {
		i := 0
		if x.target.Is6() {
			i = 1
		}
		if p.pingers[i] != nil {
			continue
		}
		g, err := openPinger(netns, i == 1)
		if err != nil {
			return err
		}
		p.pingers[i] = g
	}
	return nil
}

func (p *prober) close() {
	for i, g := range p.pingers {
		if g != nil {
			g.close()
		}
		p.pingers[i] = nil
	}
}

func (p *prober) send(ipv6 bool) echo {
	if ipv6 {
		return p.pingers[1].ping
	}
	return p.pingers[0].ping
}

// once probes one round and answers with all that is known.
func (p *prober) once(ctx context.Context, cfg Config, peers []*probed, observe func(time.Duration)) []health.Finding {
	if len(peers) > 0 {
		if err := p.open(cfg.Netns, peers); err != nil {
			return []health.Finding{{Status: health.Unknown, Reason: notAllowed, Message: err.Error()}}
		}
	}
	round(ctx, cfg, p.choose(peers, cfg.MaxProbed), p.send, observe)
	return judgeProbes(peers)
}
