package snippet

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"
	"text/template"
)

// VIP is what a keepalived.conf is made of. The zero value of a field with a default means the default.
type VIP struct {
	Instance  string         // name of the vrrp_instance; default VI_1
	Interface string         // required
	VRID      int            // required, 1 to 255, not 51: every example has 51, and so has the next cluster
	Addresses []netip.Prefix // required: the VIPs, of one family
	Priority  int            // 1 to 254, different on each node; default 100

	Source netip.Addr   // unicast: this node's address
	Peers  []netip.Addr // unicast: the other nodes'; empty: multicast

	Policy     string // whose verdict counts; default vip
	VerdictDir string // default /run/nodeagent/verdict
	FIFO       string // for VRRP's state; default /run/nodeagent/vrrp.fifo
	Weight     int    // what an agent that is gone costs, -253 to -2; default -60, above the gap between two priorities
	Comm       string // /proc/PID/comm of the daemon, which no other process has; default nodeagentd
	Terminate  int    // seconds for which the agent may be gone, 0 to 3600; default 15: a restart or an upgrade
}

// Defaults of VIP.
const (
	DefaultWeight    = -60 // beyond the gap of 50 that keepalived.conf(5) recommends between two nodes
	DefaultTerminate = 15
	DefaultComm      = "nodeagentd"
)

//go:embed keepalived.conf.tmpl
var vipText string

//go:embed haproxy.cfg.tmpl
var balancerText string

var (
	vipTemplate      = template.Must(template.New("keepalived.conf").Option("missingkey=error").Parse(vipText))
	balancerTemplate = template.Must(template.New("haproxy.cfg").Option("missingkey=error").Parse(balancerText))
)

// bare are the characters that may stand in a configuration without quotes: no blank, quote, brace, comment or parameter.
const bare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:@%+-"

// isWord reports whether s is 1 to 64 of such characters.
func isWord(s string) bool { return s != "" && len(s) <= 64 && strings.Trim(s, bare) == "" }

// isFile reports whether s is an absolute path of such characters.
func isFile(s string) bool {
	return len(s) > 1 && len(s) <= 256 && s[0] == '/' && strings.Trim(s, bare+"/") == ""
}

// maxComm is TASK_COMM_LEN of the kernel less its zero.
const maxComm = 15

func (v VIP) filled() VIP {
	or := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	or(&v.Instance, "VI_1")
	or(&v.Policy, "vip")
	or(&v.VerdictDir, "/run/nodeagent/verdict")
	or(&v.FIFO, "/run/nodeagent/vrrp.fifo")
	or(&v.Comm, DefaultComm)
	if v.Priority == 0 {
		v.Priority = 100
	}
	if v.Weight == 0 {
		v.Weight = DefaultWeight
	}
	if v.Terminate == 0 {
		v.Terminate = DefaultTerminate
	}
	return v
}

// problems joins what is wrong with an input.
type problems []error

func (p *problems) add(bad bool, format string, args ...any) {
	if bad {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

// Validate says everything that is wrong; nil if nothing is.
func (v VIP) Validate() error {
	v = v.filled()
	var p problems
	p.add(!isWord(v.Instance), "instance %q: use letters, digits and _.-", v.Instance)
	p.add(v.Interface == "", "interface: name the one that the nodes reach one another on (`ip -br addr` lists them)")
	p.add(v.Interface != "" && (!isWord(v.Interface) || len(v.Interface) > 15), "interface %q is no name of an interface", v.Interface)
	p.add(v.VRID == 51, "vrid 51: choose another number; every example has 51, and so has the next cluster on this network")
	p.add(v.VRID == 0, "vrid: choose a number of 1 to 255 that nobody else on this network uses")
	p.add(v.VRID < 0 || v.VRID > 255, "vrid %d: use 1 to 255", v.VRID)
	p.add(v.Priority < 1 || v.Priority > 254, "priority %d: use 1 to 254, different on each node; 255 would make every check count for nothing", v.Priority)
	p.add(len(v.Addresses) == 0, "address: name the VIP, such as 10.0.0.100/24")
	p.add(len(v.Addresses) > 20, "address: at most 20 fit into one advert")
	for i, a := range v.Addresses {
		p.add(!a.IsValid(), "address %d: write it with its prefix length, such as 10.0.0.100/24", i+1)
		if !a.IsValid() {
			continue
		}
		p.add(a.Addr().Is4() != v.Addresses[0].Addr().Is4(), "address %s: one instance has one family; make a second instance", a)
		p.add(a.Addr().IsMulticast() || a.Addr().IsLoopback() || a.Addr().IsUnspecified() || a.Addr().Zone() != "", "address %s can't be a VIP", a)
		p.add(slices.Contains(v.Addresses[:i], a), "address %s stands twice", a)
	}
	v.validatePeers(&p)
	p.add(!isWord(v.Policy) || strings.HasPrefix(v.Policy, "."), "policy %q: use letters, digits and _.-", v.Policy)
	p.add(!isFile(v.VerdictDir), "verdict folder %q: use an absolute path without blanks and quotes", v.VerdictDir)
	p.add(!isFile(v.FIFO), "fifo %q: use an absolute path without blanks and quotes", v.FIFO)
	p.add(v.Weight < -253 || v.Weight > -2, "weight %d: use -253 to -2, larger than the gap between two priorities", v.Weight)
	p.add(!isWord(v.Comm) || len(v.Comm) > maxComm, "comm %q: use at most %d letters and digits, as /proc/PID/comm has them", v.Comm, maxComm)
	p.add(v.Terminate < 0 || v.Terminate > 3600, "terminate %d: use 0 to 3600 seconds", v.Terminate)
	return errors.Join(p...)
}

func (v VIP) validatePeers(p *problems) {
	p.add(len(v.Peers) > 0 && !v.Source.IsValid(), "source: name this node's own address, from which its adverts come")
	p.add(len(v.Peers) == 0 && v.Source.IsValid(), "peers: name the other nodes' addresses, or leave the source out for multicast")
	for i, a := range v.Peers {
		p.add(!a.IsValid() || a.IsUnspecified() || a.IsMulticast(), "peer %d is no address of a node", i+1)
		p.add(a.IsValid() && a == v.Source, "peer %s is this node's own address: list the others alone", a)
		p.add(a.IsValid() && v.Source.IsValid() && a.Is4() != v.Source.Is4(), "peer %s: peers and source are of one family", a)
		p.add(slices.Contains(v.Peers[:i], a), "peer %s stands twice", a)
		for _, vip := range v.Addresses {
			p.add(vip.IsValid() && vip.Addr() == a, "peer %s is the VIP", a)
		}
	}
}

// Keepalived writes a complete keepalived.conf for this node. The error is Validate's, or w's.
func (v VIP) Keepalived(w io.Writer) error {
	if err := v.Validate(); err != nil {
		return err
	}
	v = v.filled()
	return vipTemplate.Execute(w, struct {
		VIP
		Verdict   string
		Loss, Gap int
	}{v, path.Join(v.VerdictDir, v.Policy), -v.Weight, max(-v.Weight-10, 1)})
}
