package netcheck

import (
	"slices"

	"nodeagent/internal/health"
)

// remember gives what the next look should know of this one: a look that found nothing wrong with devices and peers replaces the memory,
// any other leaves it, which is what good says.
func remember(n *Network, p picture, v verdicts) (_ Memory, good bool) {
	m := n.Before
	m.InCsum = n.UDPErrors.InCsum
	if p.absent != "" {
		return Memory{}, false
	}
	bad := func(c *health.Condition) bool {
		return slices.ContainsFunc(v[c], func(f health.Finding) bool {
			return f.Status == health.Unknown || f.Status == health.Failing && f.Reason != checksumErrors && f.Reason != addressExtra
		})
	}
	if bad(FlannelDevice) || bad(FlannelPeers) || p.backend == "" {
		return m, false
	}
	m.Backend, m.Peers, m.Devices = p.backend, p.peers(), nil
	for _, s := range p.sides {
		if s.device.Index != 0 {
			m.Devices = append(m.Devices, Remembered{Name: s.device.Name, Index: s.device.Index, MAC: s.device.MAC})
		}
	}
	m.Uplink, m.Carrier = p.uplink.Index, p.uplink.Carrier
	return m, true
}
