package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)[:max(0, n-1)]
	return strings.TrimRight(string(r), " ") + "…"
}

// wrap breaks a text into lines of at most width characters. The first begins with head, the others with as many spaces. A word longer
// than a line is broken.
func wrap(head, text string, width int) []string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	room := max(width-len(indent), 10)
	var lines []string
	line := ""
	flush := func() {
		lines = append(lines, head+line)
		head, line = indent, ""
	}
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			flush()
		}
		for utf8.RuneCountInString(word) > room {
			r := []rune(word)
			line = string(r[:room])
			flush()
			word = string(r[room:])
		}
		if line != "" && word != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		flush()
	}
	return lines
}

// age is a length of time in its largest unit: 42s, 3m, 2h, 5d. A clock that was set back gives no negative age.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// since is the age of a moment; empty for none.
func since(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return age(now.Sub(t))
}

// clock is a moment in now's place: the time of day, with the date where that is another.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// plural is "1 pod", "2 pods".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
