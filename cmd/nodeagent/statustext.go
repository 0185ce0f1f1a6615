package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nodeagent/internal/view"
)

// What stands in the column STATUS beside the statuses of view.Subject.
const (
	shownMuted = "muted"
	shownOff   = "off"
)

// statusText is the whole node for people: one line, the conditions, the pods, the mutes.
func statusText(s view.Status, now time.Time, width int, p painter) string {
	return statusTextAnd(s, "", now, width, p)
}

// statusTextAnd has a line more below the conditions.
func statusTextAnd(s view.Status, more string, now time.Time, width int, p painter) string {
	var b strings.Builder
	b.WriteString(headline(s, now, width, p) + "\n")
	if s.Maintenance != nil {
		for _, l := range wrap("", maintenanceText(*s.Maintenance, now), width) {
			b.WriteString(p.paint(toneDoubt, l) + "\n")
		}
	}
	b.WriteString("\n")
	if len(s.Conditions) > 0 || more == "" {
		b.WriteString(conditionTable(s.Conditions, now, width, p))
	}
	if more != "" {
		b.WriteString(p.paint(toneMuted, more) + "\n")
	}
	if s.Mode != "off" {
		b.WriteString("\n" + podTable(s.Pods, now, width, p, false))
	}
	if len(s.Mutes) > 0 {
		b.WriteString("\n" + muteTable(s.Mutes, now, width, p))
	}
	return b.String()
}

// headline is one line: node, status, roles, mode, runtime, and for how long the daemon has been running. Where width, if not 0, has no room, it says
// less of the agent and then of the runtime.
func headline(s view.Status, now time.Time, width int, p painter) string {
	node, status := view.OneLine(s.Node), strings.ToUpper(view.OneLine(s.Status))
	runtime, shortRuntime := "no runtime seen", "no runtime seen"
	if s.Runtime.Name != "" {
		runtime, shortRuntime = view.OneLine(s.Runtime.Name+" "+s.Runtime.Version), view.OneLine(s.Runtime.Name)
	}
	daemon, shortDaemon := "no daemon", "no daemon"
	if s.Daemon {
		shortDaemon = "up " + since(s.Since, now)
		daemon = "nodeagent " + view.OneLine(s.Version) + " " + shortDaemon
	}
	roles := "no role"
	if len(s.Roles) > 0 {
		roles = view.OneLine(strings.Join(s.Roles, "+"))
	}
	rest := ""
	for _, parts := range [][]string{{runtime, daemon}, {runtime, shortDaemon}, {shortRuntime, shortDaemon}} {
		rest = strings.Join(append([]string{"", roles, "mode " + view.OneLine(s.Mode)}, parts...), "  ")
		if width == 0 || utf8.RuneCountInString(node+": "+status+rest) <= width {
			break
		}
	}
	return node + ": " + p.paint(toneOf(s.Status), status) + rest
}

func toneOf(status string) tone {
	switch status {
	case "failing":
		return toneBad
	case "unknown":
		return toneDoubt
	case "ok":
		return toneGood
	}
	return toneMuted
}

var conditionColumns = []column{{title: "STATUS"}, {title: "CONDITION"}, {title: "SUBJECT", min: 12}, {title: "SINCE"}, {title: "REASON"}}

// finding is one row of the table of conditions before it is drawn.
type finding struct {
	condition, impact string
	shown             string // what stands under STATUS
	subject           string
	since             time.Time
	detail            string   // the reason, or what an OK look says
	say               []string // whole sentences under the row
	fix               string
}

// findings are the rows of a status, the worst first; within one status the most critical first, then the conditions' own order.
func findings(conditions []view.Condition, now time.Time) []finding {
	var out []finding
	for _, c := range conditions {
		out = append(out, findingsOf(c, now)...)
	}
	rank := func(f finding) int {
		return slices.Index([]string{"failing", "unknown", shownMuted, "ok", "absent", shownOff}, f.shown)
	}
	weight := func(f finding) int { return slices.Index([]string{"critical", "degraded", "notice"}, f.impact) }
	slices.SortStableFunc(out, func(a, b finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(weight(a), weight(b)))
	})
	return alike(out)
}

// alike makes one row of conditions that say the same, word for word, of the whole node: a hung runtime makes a dozen unknown, and a node
// without Flannel has eight that are absent.
func alike(all []finding) []finding {
	var out []finding
	names := map[string][]string{}
	at := map[string]int{}
	for _, f := range all {
		if f.subject != "" || f.detail == "" && len(f.say) == 0 || f.shown != "unknown" && f.shown != "absent" {
			out = append(out, f)
			continue
		}
		key := strings.Join(append([]string{f.shown, f.detail, f.fix}, f.say...), "\x00")
		names[key] = append(names[key], f.condition)
		i, seen := at[key]
		if !seen {
			at[key] = len(out)
			out = append(out, f)
			continue
		}
		if f.since.Before(out[i].since) {
			out[i].since = f.since
		}
	}
	for key, i := range at {
		if n := names[key]; len(n) > 1 {
			out[i].condition = fmt.Sprintf("%d conditions", len(n))
			out[i].say = append([]string{strings.Join(n, ", ")}, out[i].say...)
		}
	}
	return out
}

// findingsOf a condition: a row for each subject, but one for all that are OK.
func findingsOf(c view.Condition, now time.Time) []finding {
	base := finding{condition: view.OneLine(c.Name), impact: c.Impact}
	if c.Disabled {
		base.shown, base.detail = shownOff, "by config"
		return []finding{base}
	}
	var out []finding
	fine, fineSince := []view.Subject{}, time.Time{}
	for _, s := range c.Subjects {
		if s.Status == "ok" {
			fine = append(fine, s)
			if s.Since.After(fineSince) {
				fineSince = s.Since
			}
			continue
		}
		out = append(out, findingOf(base, s, now))
	}
	if len(fine) > 0 {
		f := base
		f.shown, f.since = "ok", fineSince
		f.subject, f.detail = view.OneLine(fine[0].Name), view.OneLine(fine[0].Message)
		if len(fine) > 1 {
			f.subject, f.detail = plural(len(fine), "subject"), ""
		}
		out = append(out, f)
	}
	if len(out) == 0 { // a whole look that named nothing
		base.shown = c.Status
		out = append(out, base)
	}
	if c.More > 0 {
		out[0].say = append(out[0].say, fmt.Sprintf("%s are not shown: there are more than the condition's bound", plural(c.More, "more subject")))
	}
	return out
}

func findingOf(f finding, s view.Subject, now time.Time) finding {
	f.shown, f.subject, f.since, f.detail, f.fix = s.Status, view.OneLine(s.Name), s.Since, view.OneLine(s.Reason), view.OneLine(s.Fix)
	message := view.OneLine(s.Message)
	bad := s.Status == "failing" || s.Status == "unknown"
	switch {
	case bad && s.Muted != nil:
		f.shown, f.fix = shownMuted, ""
		f.say = append(f.say, view.OneLine(s.Status)+", but "+muteText(*s.Muted, now))
	case bad && f.impact == "notice":
		f.say = append(f.say, "this is a notice: it does not count for the node's status")
	}
	if message != "" {
		f.say = append(f.say, message)
	}
	return f
}

// under is where the sentences below a row begin: below the second column.
const under = "         "

// conditionTable draws them. Rows with one remedy share the line that says what to do.
func conditionTable(conditions []view.Condition, now time.Time, width int, p painter) string {
	all := findings(conditions, now)
	columns := slices.Clone(conditionColumns)
	reason, subject := len(columns)-1, 2
	var rows []row
	for _, f := range all {
		rows = append(rows, row{tone: toneOf(f.shown), cells: []string{f.shown, f.condition, f.subject, since(f.since, now), f.detail}})
		if len(f.say) > 0 || f.fix != "" { // a reason is a name to search for, and is not cut; what an OK look says may be
			columns[reason].min = max(columns[reason].min, utf8.RuneCountInString(f.detail))
		}
	}
	columns[reason].min = max(columns[reason].min, 12)
	room := width
	shown, widths := fit(columns, rows, width)
	if i := slices.Index(shown, subject); i >= 0 {
		room = widths[i]
	}
	for i, f := range all {
		r := &rows[i]
		if utf8.RuneCountInString(f.subject) > room { // it is cut, and people need the whole of it
			r.below = append(r.below, wrap(under, f.subject, width)...)
		}
		for _, s := range f.say {
			r.below = append(r.below, wrap(under, s, width)...)
		}
		shared := i+1 < len(all) && all[i+1].fix == f.fix
		if f.fix != "" && !shared {
			r.below = append(r.below, wrap(under+"-> ", f.fix, width)...)
		}
	}
	return table(columns, rows, width, p)
}

// muteText says how long, by whom and why.
func muteText(m view.Mute, now time.Time) string {
	text := "muted until " + clock(m.Until, now)
	if m.By != "" {
		text += " by " + view.OneLine(m.By)
	}
	if m.Reason != "" {
		text += ": " + view.OneLine(m.Reason)
	}
	return text
}

var muteColumns = []column{{title: "MUTED"}, {title: "SUBJECT", min: 16}, {title: "UNTIL"}, {title: "BY", min: 8}, {title: "REASON", min: 12}}

func muteTable(mutes []view.Mute, now time.Time, width int, p painter) string {
	var rows []row
	for _, m := range mutes {
		rows = append(rows, row{tone: toneMuted, cells: []string{view.OneLine(m.Condition), view.OneLine(m.Subject), clock(m.Until, now), view.OneLine(m.By), view.OneLine(m.Reason)}})
	}
	return table(muteColumns, rows, width, p)
}
