package wire

import (
	"time"
)

// Config is what a pass reads anew; every field may change while the agent runs.
type Config struct {
	// Own lists our instances: from keepalived.conf, and whether the VIP is on this node from netlink. VIPs are those of virtual_ipaddress,
	// which adverts carry, without virtual_ipaddress_excluded. It must not block.
	Own func() []Own

	Interval      time.Duration // from look to look; above 0, 1 s is sensible
	ProbeInterval time.Duration // from probe to probe of one VIP; 0: no probes; at least 1 s
}

// probe is the interval in force.
func (c Config) probe() time.Duration {
	if c.ProbeInterval <= 0 {
		return 0
	}
	return max(c.ProbeInterval, time.Second)
}

func (c Config) own() []Own {
	if c.Own == nil {
		return nil
	}
	return c.Own()
}
