package keepalive

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Numbers of a verdict file. keepalived multiplies the number by the weight of its track_file (1) and adds it to the instance's priority; a
// result below -253 is FAULT (keepalived.conf(5), "Track files").
const (
	Fault = -254 // the instance gives the VIP up at once and does not ask for it
	Least = -253 // the most that a priority may be lowered without FAULT: it becomes 1
)

// Defaults of a policy.
const (
	// DefaultWeight is larger than the gap between the priorities of neighbours in most configurations (101 and 100, 100 and 90, 150 and 100):
	// a smaller one would never move the VIP. It is no FAULT: where every node is as bad, each is lowered by the same, and the best of them keeps the VIP.
	DefaultWeight = -60
	// DefaultBalancerWeight puts a node whose balancer reaches no apiserver below one whose own apiserver fails: the latter still serves.
	DefaultBalancerWeight = -120
	// DefaultMaintenanceWeight puts a node under maintenance below one with a failing apiserver or a dead agent.
	DefaultMaintenanceWeight = -100

	DefaultFall     = 2 * time.Second
	DefaultRise     = 5 * time.Second
	DefaultFaultFor = 10 * time.Second

	// Settle is how long the verdict found at the start stays while a condition that counts was not looked at.
	Settle = 5 * time.Second
)

// Policy says what makes this node fit for a VIP.
type Policy struct {
	Name   string  // of the verdict's file and socket: lower case letters, digits and dashes, at most 32
	Counts []Count // the conditions that count, by tier; at least one

	// Rise and Fall are times and not numbers of looks: conditions are looked at in different intervals and as things happen.
	Rise time.Duration // how long a better verdict must last before it is given; 0: at once
	Fall time.Duration // how long a worse one must last. FAULT never waits

	// FaultFor bounds FAULT. FAULT hands the VIP over within the skew time, and a peer has it long before this ends; then the number is Least.
	// So balancers that are dead on every node leave the VIP on exactly one, and not on none. 0: FAULT stays.
	FaultFor time.Duration

	Maintenance int // Least..-1: added while the node is under maintenance
	Nothing     int // Least..-1: the number where no condition counts, all being Absent
}

// Count is one condition that counts.
type Count struct {
	Condition string
	Subject   string   // empty: the worst subject that is not muted
	Weight    int      // Least..-1: added while it is Failing or Unknown; sums are bounded by Least
	Fault     []string // reasons that are FAULT where it is Failing with one of them: only what is positively seen dead on this node alone
}

// TwoTiers is the policy out of the box: the local balancer first, then the local apiserver. Only a balancer seen dead (reason Down) is
// FAULT; all else is a weight, since a cause that all nodes share (a bad configuration, etcd without quorum, a dead agent) must leave one VIP.
func TwoTiers(name, balancer, apiserver string) Policy {
	return Policy{
		Name: name,
		Counts: []Count{
			{Condition: balancer, Weight: DefaultBalancerWeight, Fault: []string{"Down"}},
			{Condition: apiserver, Weight: DefaultWeight},
		},
		Rise: DefaultRise, Fall: DefaultFall, FaultFor: DefaultFaultFor, Maintenance: DefaultMaintenanceWeight, Nothing: DefaultWeight,
	}
}

var policyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Validate says what is wrong with the policy, and what to write instead.
func (p Policy) Validate() error {
	switch {
	case !policyName.MatchString(p.Name) || p.Name == beatName:
		return fmt.Errorf("policy %q: a name is 1 to 32 lower case letters, digits and dashes, begins with no dash, and is not %q", p.Name, beatName)
	case len(p.Counts) == 0:
		return fmt.Errorf("policy %s: no condition counts: name at least one", p.Name)
	case p.Rise < 0 || p.Fall < 0 || p.FaultFor < 0:
		return fmt.Errorf("policy %s: rise, fall and faultFor are 0 or more", p.Name)
	}
	weights := map[string]int{"maintenance": p.Maintenance, "nothing": p.Nothing}
	for i, c := range p.Counts {
		if c.Condition == "" {
			return fmt.Errorf("policy %s: condition %d has no name", p.Name, i+1)
		}
		if slices.ContainsFunc(p.Counts[:i], func(o Count) bool { return o.Condition == c.Condition && o.Subject == c.Subject }) {
			return fmt.Errorf("policy %s: %s counts twice: keep one", p.Name, c.Condition)
		}
		weights[c.Condition] = c.Weight
		if c.Weight < Least || c.Weight > -1 {
			return weightError(p.Name, c.Condition, c.Weight)
		}
	}
	for _, what := range []string{"maintenance", "nothing"} {
		if w := weights[what]; w < Least || w > -1 {
			return weightError(p.Name, what, w)
		}
	}
	return nil
}

func weightError(policy, what string, w int) error {
	return fmt.Errorf("policy %s: the weight of %s is %d: it lowers the priority and is %d to -1, such as %d", policy, what, w, Least, DefaultWeight)
}
