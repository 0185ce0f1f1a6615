package netcheck

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/view"
)

// Part is one part of Network that is read by itself and may be missing by itself.
type Part string

// The parts.
const (
	PartLinks      Part = "links"
	PartAddresses  Part = "addresses"
	PartRoutes     Part = "routes"
	PartRules      Part = "rules"
	PartNeighbours Part = "neighbours"
	PartFDB        Part = "fdb"
	PartLookups    Part = "lookups"
	PartSysctls    Part = "sysctls"
	PartSubnetEnv  Part = "subnet.env"
	PartCNI        Part = "cni"
	PartLeases     Part = "leases"
	PartFilter     Part = "nftables"
	PartNodes      Part = "nodes"
	PartManagers   Part = "managers"
)

// Network is all that one read saw: plain data, comparable by reflect.DeepEqual and serialisable as JSON. What could not be read is empty,
// and Unread tells why; what is empty and not in Unread is not there.
type Network struct {
	Links      []Link        `json:"links"`
	Addresses  []Address     `json:"addresses"`
	Routes     []Route       `json:"routes"` // of all tables, both families
	Rules      []Rule        `json:"rules"`
	Neighbours []Neighbour   `json:"neighbours"`
	FDB        []FDBEntry    `json:"fdb"`
	Lookups    []Lookup      `json:"lookups,omitempty"` // made only where rules or routes are out of the ordinary
	Sysctls    []Sysctl      `json:"sysctls"`
	SubnetEnv  SubnetEnv     `json:"subnetEnv"`
	CNI        []CNIConfig   `json:"cni"`    // in the order in which a runtime reads them
	Leases     []view.Leases `json:"leases"` // of host-local
	Filter     Filter        `json:"filter"`
	Nodes      []Node        `json:"nodes,omitempty"`
	UDPErrors  UDPErrors     `json:"udpErrors"`
	Managers   []NetManager  `json:"managers,omitempty"`

	Unread map[Part]string `json:"unread,omitempty"`

	// Before is the caller's memory of the last good look in this boot; zero: none.
	Before Memory `json:"before"`
}

// Link is one network device.
type Link struct {
	Index    int    `json:"index"`
	Name     string `json:"name"`
	Kind     string `json:"kind,omitempty"` // vxlan, bridge, veth, tun, wireguard ...; empty for hardware
	MTU      int    `json:"mtu"`
	MAC      string `json:"mac,omitempty"`
	Up       bool   `json:"up"`      // IFF_UP: what was asked for
	Running  bool   `json:"running"` // IFF_LOWER_UP: there is a carrier
	Loopback bool   `json:"loopback,omitempty"`
	Master   int    `json:"master,omitempty"`  // index of its bridge
	Parent   int    `json:"parent,omitempty"`  // index of the device below it, or of a veth's other end
	Carrier  int    `json:"carrier,omitempty"` // how often the carrier came or went
	VXLAN    VXLAN  `json:"vxlan,omitzero"`
}

// VXLAN are the settings of a link of kind vxlan.
type VXLAN struct {
	VNI      int        `json:"vni"`
	Local    netip.Addr `json:"local,omitzero"`
	Link     int        `json:"link"` // index of the uplink
	Port     int        `json:"port"`
	Learning bool       `json:"learning"`
}

// Address is one address of a link.
type Address struct {
	Link   int          `json:"link"`
	Prefix netip.Prefix `json:"prefix"` // the address itself, not masked
	Scope  int          `json:"scope"`  // RT_SCOPE_*
}

// Route is one route of any table.
type Route struct {
	Dst      netip.Prefix `json:"dst"`
	Gateway  netip.Addr   `json:"gateway,omitzero"`
	Link     int          `json:"link,omitempty"` // of the first next hop
	Hops     int          `json:"hops,omitempty"` // next hops, where there are several
	Table    int          `json:"table"`
	Type     int          `json:"type"` // RTN_*
	Priority int          `json:"priority,omitempty"`
	Protocol int          `json:"protocol"`
	OnLink   bool         `json:"onLink,omitempty"`
	Dead     bool         `json:"dead,omitempty"` // its device is down, or has no carrier and such routes are ignored
}

// Rule is one policy routing rule.
type Rule struct {
	IPv6     bool         `json:"ipv6,omitempty"`
	Priority int          `json:"priority"`
	Table    int          `json:"table,omitempty"`
	Action   int          `json:"action"` // FR_ACT_*
	Src      netip.Prefix `json:"src,omitzero"`
	Dst      netip.Prefix `json:"dst,omitzero"`
	Mark     uint32       `json:"mark,omitempty"`
	InLink   string       `json:"inLink,omitempty"`
}

// Neighbour is one entry of the neighbour table (ARP, ND).
type Neighbour struct {
	Link      int        `json:"link"`
	IP        netip.Addr `json:"ip"`
	MAC       string     `json:"mac,omitempty"`
	Permanent bool       `json:"permanent,omitempty"`
	Failed    bool       `json:"failed,omitempty"` // nobody answered
}

// FDBEntry says where a VXLAN device sends frames for a MAC.
type FDBEntry struct {
	Link      int        `json:"link"`
	MAC       string     `json:"mac"`
	Dst       netip.Addr `json:"dst,omitzero"`
	Permanent bool       `json:"permanent,omitempty"`
}

// Lookup is the kernel's own answer for an address, rules and all.
type Lookup struct {
	Dst     netip.Addr `json:"dst"`
	Link    int        `json:"link,omitempty"`
	Gateway netip.Addr `json:"gateway,omitzero"`
	Src     netip.Addr `json:"src,omitzero"`
	Table   int        `json:"table,omitempty"`
	Type    int        `json:"type,omitempty"`
	MTU     int        `json:"mtu,omitempty"`   // of a path-MTU exception; 0: the device's
	Error   string     `json:"error,omitempty"` // network is unreachable, invalid argument (a blackhole) ...
}

// Sysctl is one kernel setting. Value is empty where Missing.
type Sysctl struct {
	Name    string `json:"name"` // net/ipv4/ip_forward
	Value   string `json:"value,omitempty"`
	Missing bool   `json:"missing,omitempty"`
}

// SubnetEnv is flanneld's /run/flannel/subnet.env.
type SubnetEnv struct {
	Found       bool         `json:"found"`
	Network     netip.Prefix `json:"network,omitzero"`
	Subnet      netip.Prefix `json:"subnet,omitzero"` // with the bridge's address: 10.244.1.1/24
	IPv6Network netip.Prefix `json:"ipv6Network,omitzero"`
	IPv6Subnet  netip.Prefix `json:"ipv6Subnet,omitzero"`
	MTU         int          `json:"mtu,omitempty"`
	IPMasq      bool         `json:"ipMasq,omitempty"`
	Problem     string       `json:"problem,omitempty"` // what can't be understood
	Written     time.Time    `json:"written,omitzero"`
	OldBoot     bool         `json:"oldBoot,omitempty"` // written before this boot
}

// CNIConfig is one file of the CNI configuration folder.
type CNIConfig struct {
	File    string `json:"file"`
	Name    string `json:"name,omitempty"` // of the network: the folder of host-local
	Flannel bool   `json:"flannel,omitempty"`
	Bridge  string `json:"bridge,omitempty"` // the delegate's bridge; cni0 where it says nothing
	Problem string `json:"problem,omitempty"`
}

// UDPErrors are counters of the whole namespace.
type UDPErrors struct {
	InCsum   uint64 `json:"inCsum"`   // UdpInCsumErrors
	Received uint64 `json:"received"` // UdpInDatagrams
}

// Memory is what a good look leaves for the next one, in this boot.
type Memory struct {
	Backend string       `json:"backend,omitempty"`
	Devices []Remembered `json:"devices,omitempty"`
	Peers   []Peer       `json:"peers,omitempty"`
	Uplink  int          `json:"uplink,omitempty"` // index
	Carrier int          `json:"carrier,omitempty"`
	InCsum  uint64       `json:"inCsum,omitempty"`
}

// Remembered is one Flannel device of the last good look.
type Remembered struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	MAC   string `json:"mac"`
}

// unread tells why a part could not be read; empty: it was.
func (n *Network) unread(parts ...Part) string {
	for _, p := range parts {
		if why := n.Unread[p]; why != "" {
			return string(p) + ": " + why
		}
	}
	return ""
}

func (n *Network) miss(p Part, err error) {
	if n.Unread == nil {
		n.Unread = map[Part]string{}
	}
	n.Unread[p] = err.Error()
}

func (n *Network) link(index int) Link {
	for _, l := range n.Links {
		if l.Index == index && index != 0 {
			return l
		}
	}
	return Link{}
}

func (n *Network) linkNamed(name string) (Link, bool) {
	i := slices.IndexFunc(n.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return n.Links[i], true
}

func (n *Network) addressesOf(link int) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range n.Addresses {
		if a.Link == link {
			out = append(out, a.Prefix)
		}
	}
	return out
}

// ownerOf is the link that has the address; zero: none.
func (n *Network) ownerOf(ip netip.Addr) Link {
	for _, a := range n.Addresses {
		if a.Prefix.Addr() == ip {
			return n.link(a.Link)
		}
	}
	return Link{}
}

func (n *Network) sysctl(name string) (Sysctl, bool) {
	i := slices.IndexFunc(n.Sysctls, func(s Sysctl) bool { return s.Name == name })
	if i < 0 {
		return Sysctl{}, false
	}
	return n.Sysctls[i], true
}

// defaultRules tells whether no policy rule but the kernel's own is there.
func (n *Network) defaultRules(ipv6 bool) bool {
	for _, r := range n.Rules {
		own := r.Action == unix.FR_ACT_TO_TBL && r.Mark == 0 && !r.Src.IsValid() && !r.Dst.IsValid() && r.InLink == "" &&
			(r.Priority == 0 && r.Table == unix.RT_TABLE_LOCAL || r.Priority == 32766 && r.Table == unix.RT_TABLE_MAIN || r.Priority == 32767 && r.Table == unix.RT_TABLE_DEFAULT)
		if r.IPv6 == ipv6 && !own {
			return false
		}
	}
	return true
}
