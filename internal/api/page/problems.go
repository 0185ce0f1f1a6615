package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/view"
)

// problem is one thing to do: all subjects that fail, or are not known, for one reason with one answer to it.
type problem struct {
	Shown  string // failing, unknown, muted
	Title  string // the condition, or how many
	Impact string
	Reason string
	Fix    []span
	Since  moment
	Counts bool // it is not muted and no mere notice
	Items  []item
	More   int // subjects above the condition's bound

	since      time.Time
	conditions []string
}

type item struct {
	Name    string // the subject, behind its condition where the problem is of several
	Message string
	Mute    string

	condition string
}

// condition is a row of the table of all of them.
type condition struct {
	Name, Status, Help, Detail string
	Subjects                   int
	Since                      moment
}

// problems are what is not well, the worst first.
func problems(all []view.Condition, now time.Time) []problem {
	at := map[string]int{}
	var out []problem
	for _, c := range all {
		for _, s := range c.Subjects {
			if s.Status != "failing" && s.Status != "unknown" {
				continue
			}
			shown := s.Status
			if s.Muted != nil {
				shown = "muted"
			}
			key := strings.Join([]string{shown, s.Reason, s.Fix}, "\x00")
			i, seen := at[key]
			if !seen {
				i = len(out)
				at[key] = i
				out = append(out, problem{Shown: shown, Impact: c.Impact, Reason: s.Reason, Fix: spans(s.Fix)})
			}
			out[i].add(c, s, now)
		}
	}
	for i := range out {
		out[i].settle()
	}
	rank := func(p problem) int { return slices.Index([]string{"failing", "unknown", "muted"}, p.Shown) }
	slices.SortStableFunc(out, func(a, b problem) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(weight(a.Impact), weight(b.Impact)))
	})
	return out
}

// weight orders impacts, the gravest first.
func weight(impact string) int {
	return slices.Index([]string{"critical", "degraded", "notice"}, impact)
}

func (p *problem) add(c view.Condition, s view.Subject, now time.Time) {
	if len(p.conditions) == 0 || p.conditions[len(p.conditions)-1] != c.Name {
		p.conditions = append(p.conditions, c.Name)
		p.More += c.More
	}
	if weight(c.Impact) < weight(p.Impact) {
		p.Impact = c.Impact
	}
	p.Counts = p.Counts || s.Muted == nil && c.Impact != "notice"
	it := item{Name: s.Name, Message: s.Message, condition: c.Name}
	if s.Muted != nil {
		it.Mute = strings.TrimSpace("for " + age(s.Muted.Until.Sub(now)) + " more " + parenthesis(s.Muted.Reason))
	}
	p.Items = append(p.Items, it)
	if p.since.IsZero() || s.Since.Before(p.since) {
		p.since = s.Since
		p.Since = momentOf(s.Since, now)
	}
}

// settle gives the problem its name, and says once what every condition says word for word: a hung runtime makes a dozen unknown.
func (p *problem) settle() {
	p.Title = p.conditions[0]
	if len(p.conditions) == 1 {
		return
	}
	p.Title = fmt.Sprintf("%d conditions", len(p.conditions))
	same := true
	for _, it := range p.Items {
		same = same && it.Name == "" && it.Message == p.Items[0].Message && it.Mute == p.Items[0].Mute
	}
	if same {
		p.Items = p.Items[:1]
		p.Items[0].Name = strings.Join(p.conditions, ", ")
		return
	}
	for i, it := range p.Items {
		p.Items[i].Name = strings.TrimSpace(it.condition + " " + it.Name)
	}
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// conditions are all that this node has, and apart from them what it has not or what is switched off.
func conditions(all []view.Condition, now time.Time) (here, absent []condition) {
	for _, c := range all {
		row := condition{Name: c.Name, Status: c.Status, Help: c.Help, Subjects: len(c.Subjects) + c.More}
		for _, s := range c.Subjects {
			if s.Status == c.Status {
				row.Since, row.Detail = momentOf(s.Since, now), s.Message
				break
			}
		}
		switch {
		case c.Disabled:
			row.Detail = "switched off in the configuration"
			absent = append(absent, row)
		case c.Status == "absent":
			absent = append(absent, row)
		default:
			if row.Subjects > 1 || c.Status != "ok" {
				row.Detail = "" // one subject's words are not those of all; what is not well stands above
			}
			here = append(here, row)
		}
	}
	return here, absent
}
