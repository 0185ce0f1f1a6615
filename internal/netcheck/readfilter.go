package netcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nodeagent/internal/view"
)

// maxChains and maxRules bound one read: kube-proxy's chains of a large cluster are not what is looked for.
const (
	maxChains = 256
	maxRules  = 20000
)

var families = map[nftables.TableFamily]string{nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet"}

// hooks by number (NF_INET_*); one numbering serves ip, ip6 and inet.
var hooks = []string{"prerouting", "input", "forward", "output", "postrouting"}

// readFilter reads the rules over nftables' netlink. It needs CAP_NET_ADMIN.
func readFilter(cfg Config) (Filter, error) {
	var f Filter
	for _, file := range []string{"ip_tables_names", "ip6_tables_names"} {
		b, err := os.ReadFile(filepath.Join(cfg.Proc, "thread-self/net", file))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
		for _, name := range strings.Fields(string(b)) {
			f.Legacy = append(f.Legacy, strings.TrimSuffix(file, "_tables_names")+" "+name)
		}
	}
	before, err := generation(cfg.ReadTimeout)
	if err != nil {
		return f, denied(err)
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return c.SetDeadline(time.Now().Add(cfg.ReadTimeout))
	}))
	if err != nil {
		return f, denied(err)
	}
	defer func() { _ = conn.CloseLasting() }()
	f.Generation = before
	if err := f.readChains(conn); err != nil {
		return Filter{Legacy: f.Legacy}, denied(err)
	}
	return f, nil
}

func denied(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("the rules can't be read without CAP_NET_ADMIN: %w", err)
	}
	return fmt.Errorf("read nftables: %w", err)
}

func (f *Filter) readChains(conn *nftables.Conn) error {
	all, err := conn.ListChains()
	if err != nil {
		return err
	}
	known := map[string]*nftables.Chain{}
	var queue []*nftables.Chain
	for _, c := range all {
		family, ok := families[c.Table.Family]
		if !ok {
			continue
		}
		known[family+" "+c.Table.Name+" "+c.Name] = c
		if wanted(c) {
			queue = append(queue, c)
		}
	}
	seen, rules := map[*nftables.Chain]bool{}, 0
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if seen[c] {
			continue
		}
		if len(f.Chains) >= maxChains || rules >= maxRules {
			f.Partial = fmt.Sprintf("only %d chains with %d rules were read", len(f.Chains), rules)
			return nil
		}
		seen[c] = true
		list, err := conn.GetRules(c.Table, c)
		if errors.Is(err, unix.ENOENT) {
			continue // it went meanwhile, which is an event
		}
		if err != nil {
			return err
		}
		chain := chainOf(c)
		for _, r := range list {
			rule := decodeRule(chain.Family, r)
			chain.Rules = append(chain.Rules, rule)
			if to := known[chain.Family+" "+chain.Table+" "+rule.To]; rule.To != "" && to != nil {
				queue = append(queue, to)
			}
		}
		rules += len(list)
		f.Chains = append(f.Chains, chain)
	}
	return nil
}

// wanted leaves out destination NAT, which no packet of Flannel needs, and what is only jumped to, but for Flannel's own.
func wanted(c *nftables.Chain) bool {
	if strings.HasPrefix(c.Name, "FLANNEL-") || strings.HasPrefix(c.Table.Name, "flannel-") {
		return true
	}
	if c.Hooknum == nil || int(*c.Hooknum) >= len(hooks) {
		return false
	}
	return c.Type != nftables.ChainTypeNAT || hooks[*c.Hooknum] == "postrouting"
}

func chainOf(c *nftables.Chain) Chain {
	out := Chain{Family: families[c.Table.Family], Table: c.Table.Name, Name: c.Name, Kind: string(c.Type)}
	if c.Hooknum != nil && int(*c.Hooknum) < len(hooks) {
		out.Hook = hooks[*c.Hooknum]
	}
	if c.Priority != nil {
		out.Priority = int(*c.Priority)
	}
	out.Drop = out.Hook != "" && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
	return out
}

// generation asks for the number of the ruleset in force (NFT_MSG_GETGEN).
func generation(timeout time.Duration) (uint32, error) {
	s, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	if err := errors.Join(s.SetSendTimeout(&tv), s.SetReceiveTimeout(&tv)); err != nil {
		return 0, err
	}
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: {Socket: s}}
	req.AddData(make(message, 4))
	var id uint32
	err = req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(b []byte) bool {
		g, _ := parseGeneration(b)
		id = g.ID
		return true
	})
	return id, err
}

// parseGeneration reads NFT_MSG_NEWGEN without its netlink header; its numbers are in network order.
func parseGeneration(b []byte) (g view.RulesetChange, ok bool) {
	if len(b) < 4 {
		return g, false
	}
	for t, v := range attributes(b[4:]) {
		switch {
		case t == unix.NFTA_GEN_ID && len(v) == 4:
			g.ID, ok = binary.BigEndian.Uint32(v), true
		case t == unix.NFTA_GEN_PROC_PID && len(v) == 4:
			g.PID = int(binary.BigEndian.Uint32(v))
		case t == unix.NFTA_GEN_PROC_NAME:
			g.Process = textOf(v)
		}
	}
	return g, ok
}

// flannelChains tells which of flanneld's two ways of filtering is there: "iptables", "nft" or none.
func (f *Filter) flannelChains() (iptables, nft bool) {
	iptables = slices.ContainsFunc(f.Chains, func(c Chain) bool { return strings.HasPrefix(c.Name, "FLANNEL-") })
	nft = slices.ContainsFunc(f.Chains, func(c Chain) bool { return strings.HasPrefix(c.Table, "flannel-ipv") })
	return iptables, nft
}
