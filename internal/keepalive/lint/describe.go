package lint

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"time"
)

// Described is one vrrp_instance of a configuration, for who watches it.
type Described struct {
	Name      string
	Interface string // empty: none is set
	VRID      int    // 0: none that is understood
	Priority  int
	Version   int // 2 or 3
	Advert    time.Duration
	VIPs      []netip.Prefix // of virtual_ipaddress, which adverts carry; a bare address is /32 or /128
	Excluded  []netip.Prefix // of virtual_ipaddress_excluded
	Source    netip.Addr     // unicast_src_ip; zero: none
	Peers     []netip.Addr   // unicast_peer; empty: multicast
	Verdicts  []string       // names of the agent's verdicts that it tracks, by file or by a script that asks the agent
	Process   bool           // it tracks a process called comm
	Script    bool           // it tracks a script that asks the agent
}

// Describe reads what a configuration with its includes says about its instances. comm is the agent's own name in /proc/PID/comm. Mistakes are
// no errors: File finds them. The error is for a file that can't be read (fs.ErrNotExist among others).
func Describe(file, comm string, o Options) ([]Described, error) {
	o = o.filled()
	l := &linter{}
	tree, err := l.parse(file, o)
	if err != nil {
		return nil, err
	}
	c := model(tree, l.note)
	var out []Described
	for _, i := range c.Instances {
		d := Described{
			Name: i.Name, Interface: i.Interface, Priority: i.Priority.Value, Version: i.Version, Advert: time.Second, Peers: i.Unicast,
			VIPs: prefixes(i.Node, "virtual_ipaddress", l.note), Excluded: prefixes(i.Node, "virtual_ipaddress_excluded", l.note),
		}
		if i.VRID.Value >= 1 && i.VRID.Value <= 255 {
			d.VRID = i.VRID.Value
		}
		if v, err := strconv.ParseFloat(i.Node.Get("advert_int").Word(1), 64); err == nil && v > 0 && v <= 255 {
			d.Advert = time.Duration(v * float64(time.Second))
		}
		if a, err := netip.ParseAddr(i.Node.Get("unicast_src_ip").Word(1)); err == nil {
			d.Source = a
		}
		tracks := i.Tracks
		if g := c.Grouped[i.Name]; g != nil {
			tracks = slices.Concat(tracks, c.tracks(g))
		}
		for _, t := range tracks {
			d.track(t, comm, o.VerdictDir)
		}
		out = append(out, d)
	}
	return out, nil
}

// track adds what one track says of the agent.
func (d *Described) track(t Track, comm, dir string) {
	if t.Check == nil {
		return
	}
	name := ""
	switch t.Kind {
	case kindProcess:
		d.Process = d.Process || comm != "" && t.Check.Node.Get("process").Word(1) == comm
	case kindFile:
		if policy, ok := verdictOf(t.Check.Node.Get("file").Word(1), dir); ok {
			name = policy
		}
	case kindScript:
		name = asked(t.Check.Node.Get("script").fields())
		d.Script = d.Script || name != ""
	}
	if name != "" && !slices.Contains(d.Verdicts, name) {
		d.Verdicts = append(d.Verdicts, name)
	}
}

// asked is the verdict that a script asks the agent for: `nodeagent-check NAME` (or the path of its file) or `nodeagent check NAME`; empty: none.
func asked(words []string) string {
	if len(words) < 2 {
		return ""
	}
	switch path.Base(words[0]) {
	case "nodeagent-check":
		return path.Base(words[1])
	case "nodeagent":
		if words[1] == "check" && len(words) > 2 {
			return words[2]
		}
	}
	return ""
}
