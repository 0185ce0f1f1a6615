package wire

import "nodeagent/internal/health"

// Reasons of the conditions of this package.
var (
	reasonSplitBrain = &health.Reason{Name: "SplitBrain", Fix: "Two nodes say that they are master: see that each hears the other (`tcpdump -ni IFACE proto 112` on both: a firewall, a switch that drops multicast, " +
		"another advert_int, version or auth_pass), then `systemctl restart keepalived` on the one of the lower priority. One with a stopped keepalived (state T) holds the VIP and can't let go: `kill -CONT`."}
	reasonForeign = &health.Reason{Name: "ForeignVRID", Fix: "Somebody else on this network uses our virtual_router_id for other addresses: choose another one on every node of this cluster at once."}
	reasonVIPs    = &health.Reason{Name: "DifferentVIPs", Fix: "Make virtual_ipaddress the same on every node: keepalived drops adverts whose addresses differ, and both become master."}
	reasonTwice   = &health.Reason{Name: "DuplicateVIP", Fix: "Another machine answers for the VIP that this node holds: find its MAC address (`ip neigh`, the switch's table) and take the address away there " +
		"(`ip addr del VIP dev IFACE`); after `kill -9` keepalived leaves it behind."}
	reasonNoMaster = &health.Reason{Name: "NoMaster", Fix: "No node advertises our VRID: see `systemctl status keepalived` and `nodeagent vip` on every node; each in FAULT means that a check with weight 0 fails everywhere."}
	reasonListen   = &health.Reason{Name: "NotListening", Fix: "The interface can't be listened to: the message says why. `ip link` shows whether it is there; the name is the one of keepalived.conf."}

	reasonMalformed = &health.Reason{Name: "Malformed", Fix: "Somebody sends VRRP packets that are wrong: the message says what is and from where. One hop away (TTL below 255) it is a misrouted or forged packet."}
)

// VRRPWire is what the wire says about our instances, one subject each.
var VRRPWire = &health.Condition{
	Name:    "VRRPWire",
	Help:    "Exactly one master is heard for each VRRP instance, with our addresses, and nobody else answers for our VIP.",
	Impact:  health.Critical,
	Max:     20,
	Reasons: []*health.Reason{reasonSplitBrain, reasonForeign, reasonVIPs, reasonTwice, reasonNoMaster, reasonListen},
}

// VRRPNoise is about packets that are no good VRRP, one subject an interface.
var VRRPNoise = &health.Condition{
	Name:    "VRRPNoise",
	Help:    "VRRP packets on the interfaces of our instances are well formed.",
	Impact:  health.Notice,
	Max:     20,
	Reasons: []*health.Reason{reasonMalformed, reasonListen},
}

// Conditions are what this package publishes.
func Conditions() []*health.Condition { return []*health.Condition{VRRPWire, VRRPNoise} }
