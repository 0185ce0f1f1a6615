package lint

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// checkInstance holds the rules that need one instance alone.
func checkInstance(c Config, i *Instance, h Host, note noter) {
	at := i.Node.Pos
	switch {
	case i.VRID.Bad:
	case !i.VRID.Set, i.VRID.Value < 1, i.VRID.Value > 255:
		note(ruleVRIDMissing, at, "%s has no virtual_router_id of 1 to 255", i.Name)
	case i.VRID.Value == 51:
		note(ruleVRID51, i.VRID.Pos, "%s uses virtual_router_id 51, which every example uses", i.Name)
	}
	switch {
	case i.Priority.Bad:
	case i.Priority.Value < 1 || i.Priority.Value > 255:
		note(rulePriority, i.Priority.Pos, "priority %d of %s is outside of 1 to 255", i.Priority.Value, i.Name)
	case i.Priority.Value == 255 && len(i.Tracks) > 0:
		note(ruleOwner, i.Priority.Pos, "%s has priority 255: its checks change nothing", i.Name)
	}
	if n := i.Node.Get("nopreempt"); n != nil {
		if i.State == "MASTER" {
			note(ruleNopreemptMstr, n.Pos, "%s has nopreempt and state MASTER", i.Name)
		}
		for _, t := range i.Tracks {
			if w := t.weight(); w.Value != 0 && t.Check != nil {
				note(ruleNopreempt, n.Pos, "%s has nopreempt, and %s %s only changes its priority by %d", i.Name, t.Kind, t.Name, w.Value)
				break
			}
		}
	}
	if n := i.Node.Get("advert_int"); n != nil {
		if v, err := strconv.ParseFloat(n.Word(1), 64); err == nil && v > 2 {
			note(ruleSlowAdvert, n.Pos, "%s advertises every %g s: a dead master is noticed after %g s", i.Name, v, 3*v)
		}
	}
	if n := strict(c, i); n != nil && i.Node.Get("accept") == nil && i.Priority.Value != 255 {
		note(ruleStrict, n.Pos, "%s is in strict mode: packets to its VIP are dropped", i.Name)
	}
	checkPeers(i, h, note)
	checkAuth(i, note)
	if len(i.Tracks) == 0 && !groupTracks(c, i) {
		note(ruleUntracked, at, "%s tracks no script, file or process", i.Name)
	}
	checkEmpty(i.Node, note)
}

func groupTracks(c Config, i *Instance) bool {
	g := c.Grouped[i.Name]
	return g != nil && len(c.tracks(g)) > 0
}

// strict is the line that puts an instance into strict mode; nil: it is not.
func strict(c Config, i *Instance) *Node {
	if n := i.Node.Get("strict_mode"); n != nil {
		if !isOn(n) {
			return nil
		}
		return n
	}
	if n := c.global("vrrp_strict"); n != nil && isOn(n) {
		return n
	}
	return nil
}

func isOn(n *Node) bool { return !slices.Contains([]string{"off", "false", "no"}, n.Word(1)) }

func checkPeers(i *Instance, h Host, note noter) {
	n := i.Node.Get("unicast_peer")
	src := i.Node.Get("unicast_src_ip")
	if n == nil {
		return
	}
	if len(n.Children) == 0 {
		note(ruleNoPeers, n.Pos, "%s has an empty unicast_peer: with no peer it goes to FAULT or back to multicast", i.Name)
	}
	for _, p := range n.Children {
		switch {
		case src != nil && src.Word(1) == p.Word(0):
			note(ruleSelfPeer, p.Pos, "%s lists its own unicast_src_ip %s as a peer", i.Name, p.Word(0))
		case slices.ContainsFunc(h.Addresses, func(a netip.Addr) bool { return a.String() == p.Word(0) }):
			note(ruleSelfPeer, p.Pos, "%s lists %s as a peer, which is this node's own address", i.Name, p.Word(0))
		}
	}
}

func checkAuth(i *Instance, note noter) {
	n := i.Node.Get("authentication")
	if n == nil {
		return
	}
	if i.Version == 3 {
		note(ruleAuthV3, n.Pos, "%s has an authentication block and speaks VRRPv3", i.Name)
	}
	if pass := n.Get("auth_pass"); len(pass.Word(1)) > 8 { // the word itself is a secret and is not told
		note(ruleAuthLong, pass.Pos, "auth_pass of %s has %d characters", i.Name, len(pass.Word(1)))
	}
}

// checkState compares what instances of one VRID say on several nodes.
func checkState(i *Instance, others []Config, note noter) {
	if i.State != "MASTER" {
		return
	}
	at := i.Node.Get("state").Pos
	for _, p := range peers(i, others) {
		if p.State == "MASTER" {
			note(ruleMasters, at, "%s is state MASTER here and in %s", i.Name, p.Node.Pos)
			return
		}
	}
	note(ruleMaster, at, "%s is state MASTER: on every node it would be wrong, on one it changes nothing", i.Name)
}

// peers are the instances of the same VRID and address family on the other nodes.
func peers(i *Instance, others []Config) []*Instance {
	var out []*Instance
	for _, c := range others {
		for _, p := range c.Instances {
			if p.VRID.Value == i.VRID.Value && p.v6() == i.v6() {
				out = append(out, p)
			}
		}
	}
	return out
}

func (i *Instance) v6() bool { return len(i.VIPs) > 0 && i.VIPs[0].Is6() }

// checkTwins finds two instances of one interface with one VRID. Different multicast groups and peers that don't overlap are allowed by
// keepalived.conf(5).
func checkTwins(c Config, note noter) {
	type key struct {
		iface, group string
		vrid         int
		v6, unicast  bool
	}
	seen := map[key][]*Instance{}
	for _, b := range c.Instances {
		if !b.VRID.Set {
			continue
		}
		k := key{b.Interface, b.Node.Get("mcast_dst_ip").Word(1), b.VRID.Value, b.v6(), len(b.Unicast) > 0}
		for _, a := range seen[k] {
			if !k.unicast || slices.ContainsFunc(a.Unicast, func(p netip.Addr) bool { return slices.Contains(b.Unicast, p) }) {
				note(ruleVRIDTwice, b.VRID.Pos, "%s has virtual_router_id %d on %s, and so has %s (line %d)", b.Name, b.VRID.Value, b.Interface, a.Name, a.Node.Pos.Line)
				break
			}
		}
		if len(seen[k]) < 10 { // enough to tell
			seen[k] = append(seen[k], b)
		}
	}
}

// checkWords finds words that keepalived 2.2 does not know in the blocks that matter to a VIP.
func checkWords(c Config, note noter) {
	for _, i := range c.Instances {
		unknownWords(i.Node, instanceWords, note)
	}
	for kind, all := range c.Checks {
		for _, k := range all {
			unknownWords(k.Node, checkWordsOf[kind], note)
		}
	}
}

func unknownWords(n *Node, known string, note noter) {
	for _, ch := range n.Children {
		w := ch.Word(0)
		if !strings.Contains(known, " "+w+" ") || w == "" {
			note(ruleUnknownWord, ch.Pos, "%q is no keyword of %s", w, n.Word(0))
		}
	}
}

// instanceWords are the keywords of vrrp_instance in keepalived.conf(5) of 2.2.7, with those that later versions have added.
const instanceWords = " state interface vrf use_vmac use_vmac_addr vmac_xmit_base use_ipvlan native_ipv6 dont_track_primary track_interface track_script track_file " +
	"track_process track_bfd mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip version check_unicast_src unicast_peer unicast_fault_no_peer unicast_ttl " +
	"old_unicast_checksum garp_master_delay garp_master_repeat garp_lower_prio_delay garp_lower_prio_repeat garp_master_refresh garp_master_refresh_repeat garp_interval " +
	"gna_interval garp_extra_if down_timer_adverts lower_prio_no_advert higher_prio_send_advert virtual_router_id priority advert_int authentication virtual_ipaddress " +
	"virtual_ipaddress_excluded promote_secondaries virtual_routes virtual_rules accept no_accept nopreempt preempt preempt_delay skip_check_adv_addr strict_mode debug " +
	"notify_master notify_backup notify_fault notify_stop notify_deleted notify notify_master_rx_lower_pri notify_priority_changes smtp_alert kernel_rx_buf_size " +
	"linkbeat_use_polling lvs_sync_daemon_interface thread_timer_expired garp_lower_prio_rep vmac_garp_extra_if vmac_garp_intvl track_interfaces use_vmac_prefix " +
	"vmac_addr_prefix bind_if owner_ignore_adverts timer_expired_backup vrrp_rx_bufs_multiplier "

var checkWordsOf = map[string]string{
	kindScript:  " script interval timeout weight rise fall user init_fail ",
	kindFile:    " file weight init_file ",
	kindProcess: " process param_match weight quorum quorum_max fork_delay terminate_delay delay full_command ",
}
