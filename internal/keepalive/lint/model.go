package lint

import (
	"net/netip"
	"strconv"
	"strings"
)

// Config is what the rules look at.
type Config struct {
	Global    *Node // the last global_defs; nil: none
	Globals   []*Node
	Instances []*Instance
	Checks    map[string]map[string]*Check // kind, then name
	Groups    []*Node                      // vrrp_sync_group
	Grouped   map[string]*Node             // the sync group of an instance
}

// Instance is one vrrp_instance.
type Instance struct {
	Node      *Node
	Name      string
	Interface string
	State     string
	VRID      number
	Priority  number
	Version   int // 2 or 3, as in force
	VIPs      []netip.Addr
	Unicast   []netip.Addr
	Tracks    []Track
}

// Check is a vrrp_script, track_file or vrrp_track_process.
type Check struct {
	Node   *Node
	Kind   string // script, file, process
	Name   string
	Weight number
}

// Track is a line of a track_script, track_file or track_process block.
type Track struct {
	Pos    Position
	Kind   string
	Name   string
	Weight number // Set: it has one of its own
	Check  *Check // nil: no such check
}

// weight is the one in force.
func (t Track) weight() number {
	if t.Weight.Set || t.Check == nil {
		return t.Weight
	}
	return t.Check.Weight
}

// number is a whole number of the configuration, or its default.
type number struct {
	Value int
	Set   bool // it was written
	Bad   bool // it was written and is no number
	Pos   Position
}

func numberOf(n *Node, otherwise int) number {
	if n == nil {
		return number{Value: otherwise}
	}
	v, err := strconv.Atoi(n.Word(1))
	if err != nil {
		return number{Value: otherwise, Set: true, Bad: true, Pos: n.Pos}
	}
	return number{Value: v, Set: true, Pos: n.Pos}
}

const (
	kindScript  = "script"
	kindFile    = "file"
	kindProcess = "process"
)

// checkBlocks are the words that declare a check, with their kind.
var checkBlocks = map[string]string{
	"vrrp_script": kindScript, "track_file": kindFile, "vrrp_track_file": kindFile, "vrrp_track_process": kindProcess, "track_process": kindProcess,
}

// trackBlocks are the words that use one.
var trackBlocks = map[string]string{"track_script": kindScript, "track_file": kindFile, "track_process": kindProcess}

// model makes instances and checks of a tree.
func model(tree *Node, note func(*Rule, Position, string, ...any)) Config {
	c := Config{Checks: map[string]map[string]*Check{kindScript: {}, kindFile: {}, kindProcess: {}}, Grouped: map[string]*Node{}}
	c.Globals = tree.All("global_defs")
	if len(c.Globals) > 0 {
		c.Global = c.Globals[len(c.Globals)-1]
	}
	for _, n := range tree.Children {
		if kind := checkBlocks[n.Word(0)]; kind != "" {
			weight := 0
			if kind != kindScript {
				weight = 1 // keepalived.conf(5): the default of a track_file and a vrrp_track_process
			}
			c.Checks[kind][n.Word(1)] = &Check{Node: n, Kind: kind, Name: n.Word(1), Weight: numberOf(n.Get("weight"), weight)}
		}
	}
	c.Groups = tree.All("vrrp_sync_group")
	for _, g := range c.Groups {
		for _, member := range g.Get("group").children() {
			for _, name := range member.Words {
				c.Grouped[name] = g
			}
		}
	}
	for _, n := range tree.All("vrrp_instance") {
		c.Instances = append(c.Instances, c.instance(n, note))
	}
	return c
}

func (n *Node) children() []*Node {
	if n == nil {
		return nil
	}
	return n.Children
}

func (c Config) global(name string) *Node {
	for i := len(c.Globals) - 1; i >= 0; i-- {
		if n := c.Globals[i].Get(name); n != nil {
			return n
		}
	}
	return nil
}

func (c Config) instance(n *Node, note func(*Rule, Position, string, ...any)) *Instance {
	i := &Instance{
		Node: n, Name: n.Word(1), Interface: n.Get("interface").Word(1), State: n.Get("state").Word(1),
		VRID: numberOf(n.Get("virtual_router_id"), 0), Priority: numberOf(n.Get("priority"), 100), Version: 2,
	}
	for _, p := range prefixes(n, "virtual_ipaddress", note) {
		i.VIPs = append(i.VIPs, p.Addr())
	}
	for _, block := range n.All("unicast_peer") {
		for _, a := range block.Children {
			if addr, err := netip.ParseAddr(a.Word(0)); err == nil {
				i.Unicast = append(i.Unicast, addr.Unmap())
			} else {
				note(ruleUnsure, a.Pos, "%q is no address", a.Word(0))
			}
		}
	}
	version := c.global("vrrp_version")
	if own := n.Get("version"); own != nil {
		version = own
	}
	if version.Word(1) == "3" || len(i.VIPs) > 0 && i.VIPs[0].Is6() { // IPv6 has no version 2
		i.Version = 3
	}
	for _, num := range []number{i.VRID, i.Priority} {
		if num.Bad {
			note(ruleUnsure, num.Pos, "%s has no number that is understood", i.Name)
		}
	}
	i.Tracks = c.tracks(n)
	return i
}

// prefixes are the addresses of a block; one without a length is a host's.
func prefixes(n *Node, block string, note noter) []netip.Prefix {
	var out []netip.Prefix
	for _, b := range n.All(block) {
		for _, a := range b.Children {
			word, _, _ := strings.Cut(a.Word(0), "/")
			addr, err := netip.ParseAddr(word)
			if err != nil {
				note(ruleUnsure, a.Pos, "%q is no address", a.Word(0))
				continue
			}
			p, err := netip.ParsePrefix(a.Word(0))
			if err != nil {
				p = netip.PrefixFrom(addr, addr.BitLen())
			}
			out = append(out, p)
		}
	}
	return out
}

// tracks are those of an instance or a sync group.
func (c Config) tracks(n *Node) []Track {
	var out []Track
	for _, block := range n.All("track_script", "track_file", "track_process") {
		kind := trackBlocks[block.Word(0)]
		for _, t := range block.Children {
			track := Track{Pos: t.Pos, Kind: kind, Name: t.Word(0), Check: c.Checks[kind][t.Word(0)]}
			if t.Word(1) == "weight" {
				track.Weight = numberOf(&Node{Pos: t.Pos, Words: t.Words[1:]}, 0)
			}
			out = append(out, track)
		}
	}
	return out
}
