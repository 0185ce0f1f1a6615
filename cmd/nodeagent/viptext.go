package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/view"
)

// vipText is what keepalived is told and what became of it, for people.
func vipText(v view.VIP, now time.Time, width int, p painter) string {
	var b strings.Builder
	if v.Maintenance != nil {
		b.WriteString(p.paint(toneDoubt, maintenanceText(*v.Maintenance, now)) + "\n\n")
	}
	if !v.Named {
		for _, l := range wrap("", "keepalived.conf names no verdict of this agent: nothing here moves a VIP, it says what would have", width) {
			b.WriteString(l + "\n")
		}
		b.WriteString("\n")
	}
	b.WriteString(verdictTable(v.Verdicts, now, width, p))
	if len(v.Instances) > 0 {
		b.WriteString("\n" + instanceTable(v.Instances, now, width, p))
	} else {
		b.WriteString("\nno VRRP instance is configured on this node\n")
	}
	if len(v.Heard) > 0 {
		b.WriteString("\n" + heardTable(v.Heard, now, width, p))
	}
	if v.Balancer != nil {
		b.WriteString("\n" + balancerTable(*v.Balancer, width, p))
	}
	if len(v.Changes) > 0 {
		b.WriteString("\n" + changeTable(v.Changes, now, width, p))
	}
	return b.String()
}

func verdictTone(number int, word string) tone {
	switch {
	case number >= 0:
		return toneGood
	case word == "unknown" || word == "maintenance":
		return toneDoubt
	}
	return toneBad
}

func verdictTable(list []view.Verdict, now time.Time, width int, p painter) string {
	var rows []row
	for _, v := range list {
		r := row{tone: verdictTone(v.Number, v.Word), cells: []string{view.OneLine(v.Word), view.OneLine(v.Policy), fmt.Sprint(v.Number), since(v.Since, now), ""}}
		if !v.NextAt.IsZero() {
			r.cells[4] = fmt.Sprintf("%d in %s", v.Next, max(v.NextAt.Sub(now), 0).Round(100*time.Millisecond))
		}
		for _, c := range v.Causes {
			r.below = append(r.below, wrap("         ", view.OneLine(c), width)...)
		}
		rows = append(rows, r)
	}
	return table([]column{{title: "VERDICT"}, {title: "NAME"}, {title: "PRIORITY"}, {title: "SINCE"}, {title: "NEXT"}}, rows, width, p)
}

var instanceTones = map[string]tone{"MASTER": toneGood, "BACKUP": toneGood, "FAULT": toneBad, "STOP": toneBad}

func instanceTable(list []view.VRRPInstance, now time.Time, width int, p painter) string {
	var rows []row
	for _, i := range list {
		var here []string
		for _, a := range i.VIPs {
			if a.Present {
				here = append(here, a.Address)
			}
		}
		priority := fmt.Sprint(i.Priority)
		if i.Effective != 0 && i.Effective != i.Priority {
			priority += fmt.Sprintf(" now %d", i.Effective)
		}
		tone, known := instanceTones[i.State]
		if !known {
			tone = toneDoubt
		}
		r := row{tone: tone, cells: []string{view.OneLine(i.State), view.OneLine(i.Name), view.OneLine(i.Interface), fmt.Sprint(i.VRID), priority, since(i.Since, now),
			fmt.Sprint(i.Transitions), view.OneLine(strings.Join(here, " "))}}
		if !i.Tracked {
			r.below = wrap("         ", "it tracks no verdict of this agent", width)
		}
		rows = append(rows, r)
	}
	columns := []column{{title: "STATE"}, {title: "INSTANCE", min: 8}, {title: "DEVICE", drop: true}, {title: "VRID"}, {title: "PRIORITY"}, {title: "SINCE"},
		{title: "CHANGES", drop: true}, {title: "VIP HERE", min: 10}}
	return table(columns, rows, width, p)
}

func heardTable(list []view.VRRPPeer, now time.Time, width int, p painter) string {
	var rows []row
	for _, x := range list {
		state := "silent"
		if x.Live {
			state = "master"
		}
		rows = append(rows, row{cells: []string{state, x.Address.String(), fmt.Sprint(x.VRID), fmt.Sprint(x.Priority), fmt.Sprintf("v%d", x.Version), since(x.Last, now), view.OneLine(x.Instance)}})
	}
	return table([]column{{title: "HEARD"}, {title: "FROM", min: 12}, {title: "VRID"}, {title: "PRIORITY"}, {title: "VRRP", drop: true}, {title: "LAST"}, {title: "INSTANCE", min: 8}}, rows, width, p)
}

func balancerTable(b view.Balancer, width int, p painter) string {
	head := strings.TrimSpace("HAProxy " + view.OneLine(b.Version))
	if !b.Answered {
		return head + ": its runtime socket does not answer\n"
	}
	text := fmt.Sprintf("%s: %d of at most %d connections\n", head, b.Conns, b.MaxConn)
	var rows []row
	for _, x := range b.Backends {
		for _, s := range x.Servers {
			tone := toneBad
			if strings.HasPrefix(s.Status, "UP") {
				tone = toneGood
			} else if s.Status == "no check" || strings.HasPrefix(s.Status, "MAINT") {
				tone = toneMuted
			}
			rows = append(rows, row{tone: tone, cells: []string{view.OneLine(s.Status), view.OneLine(x.Name), view.OneLine(s.Name), view.OneLine(s.Address), view.OneLine(s.Check)}})
		}
	}
	if len(rows) == 0 {
		return text
	}
	return text + table([]column{{title: "SERVER"}, {title: "BACKEND", min: 8}, {title: "NAME", min: 8}, {title: "ADDRESS", min: 12, drop: true}, {title: "CHECK"}}, rows, width, p)
}

// changesShown are the newest changes that a table has.
const changesShown = 8

func changeTable(list []view.VerdictChange, now time.Time, width int, p painter) string {
	list = slices.Clone(list[max(0, len(list)-changesShown):])
	slices.Reverse(list)
	var rows []row
	for _, c := range list {
		what := fmt.Sprintf("%d -> %d", c.From, c.To)
		if c.Would {
			what = "would have: " + what
		}
		r := row{cells: []string{clock(c.At, now), view.OneLine(c.Policy), what, view.OneLine(c.Word)}}
		r.below = wrap("         ", view.OneLine(c.Cause), width)
		rows = append(rows, r)
	}
	return table([]column{{title: "CHANGED"}, {title: "NAME"}, {title: "PRIORITY"}, {title: "VERDICT"}}, rows, width, p)
}
