package netcheck

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// read reads everything once. It always answers: what could not be read is in Unread.
func read(ctx context.Context, cfg Config, nodes func(context.Context) ([]Node, error)) Network {
	var n Network
	if err := inside(cfg.Netns, func() error { readKernel(ctx, cfg, &n); return nil }); err != nil {
		for _, p := range []Part{PartLinks, PartAddresses, PartRoutes, PartRules, PartNeighbours, PartFDB, PartSysctls, PartFilter} {
			n.miss(p, err)
		}
	}
	readFiles(cfg, &n)
	if nodes != nil {
		list, err := nodes(ctx)
		if err != nil {
			n.miss(PartNodes, err)
		}
		n.Nodes = list
	}
	if absent(&n) == "" {
		readManagers(cfg, &n)
	}
	return n
}

func readKernel(ctx context.Context, cfg Config, n *Network) {
	r, err := openRtnl(cfg.ReadTimeout)
	if err != nil {
		for _, p := range []Part{PartLinks, PartAddresses, PartRoutes, PartRules, PartNeighbours, PartFDB} {
			n.miss(p, err)
		}
	} else {
		defer r.close()
		readLinks(ctx, r, n)
		readRoutes(ctx, r, n)
	}
	readSysctls(cfg, n)
	readUDPErrors(cfg, n)
	n.Filter, err = readFilter(cfg)
	if err != nil {
		n.miss(PartFilter, err)
	}
}

// keep stores a list, or why there is none.
func keep[T any](n *Network, p Part, into *[]T, list []T, err error) {
	*into = append(*into, list...)
	if err != nil {
		n.miss(p, err)
	}
}

func readLinks(ctx context.Context, r *rtnl, n *Network) {
	links, err := dump(ctx, r, unix.RTM_GETLINK, unix.RTM_NEWLINK, head(unix.SizeofIfInfomsg, unix.AF_UNSPEC), parseLink)
	keep(n, PartLinks, &n.Links, links, err)
	addresses, err := dump(ctx, r, unix.RTM_GETADDR, unix.RTM_NEWADDR, head(unix.SizeofIfAddrmsg, unix.AF_UNSPEC), parseAddress)
	keep(n, PartAddresses, &n.Addresses, addresses, err)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		neighbours, err := dump(ctx, r, unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, head(unix.SizeofNdMsg, family), parseNeighbour)
		keep(n, PartNeighbours, &n.Neighbours, neighbours, err)
	}
	fdb, err := dump(ctx, r, unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, head(unix.SizeofNdMsg, unix.AF_BRIDGE), parseFDB)
	keep(n, PartFDB, &n.FDB, fdb, err)
}

func readRoutes(ctx context.Context, r *rtnl, n *Network) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		routes, err := dump(ctx, r, unix.RTM_GETROUTE, unix.RTM_NEWROUTE, head(unix.SizeofRtMsg, family), parseRoute)
		keep(n, PartRoutes, &n.Routes, routes, err)
		rules, err := dump(ctx, r, unix.RTM_GETRULE, unix.RTM_NEWRULE, head(unix.SizeofRtMsg, family), parseRule)
		keep(n, PartRules, &n.Rules, rules, err)
	}
	for _, ip := range doubtful(n) {
		if ctx.Err() != nil {
			n.miss(PartLookups, ctx.Err())
			return
		}
		n.Lookups = append(n.Lookups, r.lookup(ip))
	}
}

// maxLookups bounds the look-ups of one read; each takes some 5 µs.
const maxLookups = 512

// doubtful lists the peers' addresses for which the routes of the main table may not be the whole truth: there are policy rules, or
// a route within the peer's subnet that is not the one through Flannel's device.
func doubtful(n *Network) []netip.Addr {
	devices := map[int]bool{}
	for _, l := range n.Links {
		devices[l.Index] = flannelDevice(l.Name)
	}
	peers := make(map[netip.Prefix]int, len(n.Routes)) // routes to the subnet
	bits := map[bool]int{}                             // the peers' prefix length, by family
	for _, r := range n.Routes {
		if devices[r.Link] && r.Table == unix.RT_TABLE_MAIN && r.Gateway.IsValid() {
			peers[r.Dst] = 0
			bits[r.Dst.Addr().Is6()] = max(bits[r.Dst.Addr().Is6()], r.Dst.Bits())
		}
	}
	if len(peers) == 0 {
		return nil
	}
	doubt := map[netip.Prefix]bool{}
	for _, r := range n.Routes {
		b := bits[r.Dst.Addr().Is6()]
		if b == 0 || r.Dst.Bits() < b {
			continue
		}
		p := netip.PrefixFrom(r.Dst.Addr(), b).Masked()
		if count, ok := peers[p]; ok {
			peers[p] = count + 1
			if r.Dst != p || count > 0 || r.Type != unix.RTN_UNICAST {
				doubt[p] = true
			}
		}
	}
	plain4, plain6 := n.defaultRules(false), n.defaultRules(true)
	var out []netip.Addr
	if plain4 && plain6 && len(doubt) == 0 {
		return nil
	}
	for _, p := range slices.SortedFunc(maps.Keys(peers), netip.Prefix.Compare) {
		plain := plain4
		if p.Addr().Is6() {
			plain = plain6
		}
		if (doubt[p] || !plain) && len(out) < maxLookups {
			out = append(out, p.Addr())
		}
	}
	return out
}

// flannelDevice tells by its name whether a link is flanneld's: flannel.1, flannel-v6.1, flannel0, flannel.ipip, flannel-wg ...
func flannelDevice(name string) bool {
	rest, ok := strings.CutPrefix(name, "flannel")
	return ok && rest != "" && strings.ContainsRune(".-0123456789", rune(rest[0]))
}
