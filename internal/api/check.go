package api

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// checkLength is the most characters of a check's message, as node-problem-detector reads them from a plugin.
const checkLength = 80

// Check answers `check NAME [SUBJECT]` for a condition. Upper and lower case of the name are one; a subject is exact.
//
// Code 0 is OK; Absent too, since a node is not ill for want of what it was never to have (the message says absent); and a muted failure,
// whose message says until when and what. 1 is Failing. 2 is Unknown, a name that is not there, and a condition that is switched off.
func Check(s health.Snapshot, name, subject string) view.Check {
	return check(s, name, subject, time.Now())
}

func check(s health.Snapshot, name, subject string, now time.Time) view.Check {
	st, ok := find(s, name)
	switch {
	case !ok:
		return view.Check{Name: view.OneLine(name), Status: health.Unknown.String(), Code: 2, Message: unknownName(s, name)}
	case st.Disabled:
		return view.Check{Name: st.Condition.Name, Status: health.Unknown.String(), Code: 2, Message: "switched off in the configuration"}
	}
	var e health.Entry
	more, crowd := 0, st.Total > 1
	if subject != "" {
		e, crowd = st.Entry(subject), false
	} else {
		e, more = deciding(st, st.Worst())
	}
	c := view.Check{Name: st.Condition.Name, Status: e.Status.String()}
	switch {
	case e.Mute != nil:
	case e.Status == health.Failing:
		c.Code = 1
	case e.Status == health.Unknown:
		c.Code = 2
	}
	c.Message = message(st, e, crowd, more, now)
	return c
}

// deciding is the entry that the message is about, and how many others are as bad. Where nothing that counts is bad, it is a muted bad one
// if there is any: a mute is shown everywhere.
func deciding(st health.State, worst health.Entry) (e health.Entry, more int) {
	e = worst
	if !bad(e) {
		for _, x := range st.Entries {
			if x.Mute != nil && bad(x) && (!bad(e) || x.Status.Worse(e.Status)) {
				e = x
			}
		}
	}
	for _, x := range st.Entries {
		if bad(e) && x.Status == e.Status && (x.Mute != nil) == (e.Mute != nil) {
			more++
		}
	}
	return e, max(0, more-1)
}

func bad(e health.Entry) bool { return e.Status == health.Failing || e.Status == health.Unknown }

// message speaks of one entry; crowd says that it stands for several subjects.
func message(st health.State, e health.Entry, crowd bool, more int, now time.Time) string {
	head := e.Status.String()
	if bad(e) && e.ReasonName() != "" {
		head += " " + e.ReasonName()
	}
	if e.Mute != nil && bad(e) {
		head = "muted until " + clock(e.Mute.Until, now) + ": " + head
	}
	text := e.Message
	switch {
	case e.Status == health.OK && crowd:
		text = fmt.Sprintf("%d subjects", st.Total)
	case text == "" && e.Status == health.OK:
		text = st.Condition.Help
	}
	if e.Subject != "" && (bad(e) || !crowd) {
		head += " " + e.Subject
	}
	if text != "" {
		head += ": " + text
	}
	tail := ""
	if more > 0 {
		tail = fmt.Sprintf(" (and %d more)", more)
		if st.More > 0 && more == len(st.Entries)-1 { // those above the bound may be as bad
			tail = fmt.Sprintf(" (and %d or more)", more)
		}
	}
	return cut(view.OneLine(head), checkLength-utf8.RuneCountInString(tail)) + tail
}

// clock is a moment for people, in now's place: the time of day, and the date where it is another day.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() || t.Sub(now) < 12*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// cut shortens a text to n characters, at a word where one ends in the last third.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)[:max(1, n)]
	end := len(r) - 1 // room for the sign; the character there may be the space after a word
	for i := end; i > end*2/3; i-- {
		if r[i] == ' ' {
			end = i
			break
		}
	}
	r = r[:end]
	return strings.TrimRight(string(r), " :,;.") + "…"
}
