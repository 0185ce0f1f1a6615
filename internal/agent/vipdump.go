package agent

import (
	"nodeagent/internal/keepalive/dump"
)

// running are the keepalived processes that were seen last.
func (v *vip) running() []int {
	var out []int
	for _, p := range v.keepalive.View().Keepalived {
		out = append(out, p.PID)
	}
	return out
}

// tracked are the instances of keepalived.conf that follow a verdict, with the lowest of those as it is now.
func (v *vip) tracked() []dump.Tracked {
	verdicts := v.keepalive.View().Verdicts
	var out []dump.Tracked
	for _, d := range v.conf.described() {
		if len(d.Verdicts) == 0 {
			continue
		}
		t := dump.Tracked{Name: d.Name, Script: d.Script}
		for _, name := range d.Verdicts {
			for _, x := range verdicts {
				if x.Policy == name && x.Number <= t.Lowest {
					t.Lowest, t.Since = x.Number, x.Since
				}
			}
		}
		out = append(out, t)
	}
	return out
}
