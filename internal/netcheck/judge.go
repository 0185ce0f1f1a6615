package netcheck

import (
	"fmt"
	"strings"

	"nodeagent/internal/health"
)

// verdicts are the findings of one look, by condition.
type verdicts map[*health.Condition][]health.Finding

func (v verdicts) add(c *health.Condition, f ...health.Finding) { v[c] = append(v[c], f...) }

// judged are the conditions of a look; FlannelReachable is the probes'.
var judged = []*health.Condition{FlannelConfig, FlannelDevice, FlannelPeers, PodBridge, NetworkSysctls, NetworkFilter, FlannelConflicts}

// judge decides what a Network means: every row of what Flannel promises is a finding. It is pure.
func judge(cfg Config, n Network) verdicts { return judgePicture(cfg, &n, paint(&n)) }

func judgePicture(cfg Config, n *Network, p picture) verdicts {
	v := verdicts{}
	if p.absent != "" {
		for _, c := range judged {
			v.add(c, health.Finding{Status: health.Absent, Message: p.absent})
		}
		return v
	}
	judgeConfig(v, cfg, n, p)
	judgeDevices(v, n, p)
	judgePeers(v, n, p)
	judgeBridge(v, n, p)
	judgeSysctls(v, n, p)
	judgeFilter(v, n, p)
	judgeManagers(v, n, p)
	return v
}

// faults gathers what is wrong with one subject. The first fault gives the reason: the caller puts the worst first.
type faults struct {
	reason   *health.Reason
	status   health.Status
	messages []string
	evidence []health.Pair
}

// add notes a fault, with what was expected and what is there, each of which may be empty.
func (f *faults) add(r *health.Reason, expected, actual, format string, args ...any) {
	f.put(health.Failing, r, fmt.Sprintf(format, args...))
	if expected != "" {
		f.evidence = append(f.evidence, health.Pair{Key: "expected", Value: expected})
	}
	if actual != "" {
		f.evidence = append(f.evidence, health.Pair{Key: "actual", Value: actual})
	}
}

// unknown notes that something could not be found out.
func (f *faults) unknown(r *health.Reason, message string) { f.put(health.Unknown, r, message) }

func (f *faults) put(s health.Status, r *health.Reason, message string) {
	if f.reason == nil || s.Worse(f.status) {
		f.reason, f.status = r, s
		f.messages = append([]string{message}, f.messages...)
		return
	}
	f.messages = append(f.messages, message)
}

func (f *faults) note(key, value string) {
	if value != "" {
		f.evidence = append(f.evidence, health.Pair{Key: key, Value: value})
	}
}

// finding is OK where no fault was noted.
func (f *faults) finding(subject, fine string) health.Finding {
	if f.reason == nil {
		return health.Finding{Subject: subject, Status: health.OK, Message: fine}
	}
	return health.Finding{Subject: subject, Status: f.status, Reason: f.reason, Message: strings.Join(f.messages, "; "), Evidence: f.evidence}
}

func judgeConfig(v verdicts, cfg Config, n *Network, p picture) {
	var env faults
	e := n.SubnetEnv
	switch why := n.unread(PartSubnetEnv); {
	case why != "":
		env.unknown(unreadable, why)
	case !e.Found:
		env.add(envMissing, cfg.SubnetEnv, "", "%s is missing: new pods get no network", cfg.SubnetEnv)
	case e.Problem != "":
		env.add(envInvalid, "", "", "%s: %s", cfg.SubnetEnv, e.Problem)
	case e.OldBoot:
		env.add(envStale, "", e.Written.UTC().Format("2006-01-02 15:04:05"), "%s was written before this boot", cfg.SubnetEnv)
	}
	fine := ""
	if e.Subnet.IsValid() {
		fine = fmt.Sprintf("%s, MTU %d", e.Subnet, e.MTU)
	}
	v.add(FlannelConfig, env.finding("subnet.env", fine), judgeCNI(cfg, n))
	if f, bad := judgeTwice(n, p); bad {
		v.add(FlannelConfig, f)
	}
}

func judgeCNI(cfg Config, n *Network) health.Finding {
	var f faults
	fine := ""
	if why := n.unread(PartCNI); why != "" {
		f.unknown(unreadable, why)
	}
	first := true
	found := false
	for _, c := range n.CNI {
		switch {
		case c.Problem != "" && first && !found:
			f.add(cniInvalid, "", "", "%s: %s", c.File, c.Problem)
		case c.Flannel:
			if !found && !first {
				f.add(cniShadowed, c.File, n.CNI[0].File, "the runtime uses %s, which comes before Flannel's %s", n.CNI[0].File, c.File)
			}
			found, fine = true, c.File
		}
		first = first && c.Problem != "" // a runtime passes over a file that it can't read
	}
	if !found && f.reason == nil {
		f.add(cniMissing, "a file with the plugin flannel", fmt.Sprintf("%d other files", len(n.CNI)), "no CNI configuration in %s uses Flannel", cfg.CNIConfDir)
	}
	return f.finding("cni", fine)
}

// judgeTwice finds a subnet that two nodes have.
func judgeTwice(n *Network, p picture) (health.Finding, bool) {
	var f faults
	for _, s := range p.sides {
		if !s.subnet.IsValid() {
			continue
		}
		for _, r := range n.Routes {
			if r.Dst == s.subnet && r.Gateway.IsValid() {
				f.add(subnetTwice, "", r.Gateway.String(), "this node's own subnet %s is routed to another node, %s", s.subnet, r.Gateway)
			}
		}
	}
	owner := map[string]string{}
	for _, x := range n.Nodes {
		for _, s := range x.Subnets {
			if other, twice := owner[s.Masked().String()]; twice {
				f.add(subnetTwice, "", "", "%s and %s both have %s", other, x.Name, s.Masked())
			}
			owner[s.Masked().String()] = x.Name
		}
	}
	return f.finding("subnet", ""), f.reason != nil
}
