package page

import (
	"fmt"
	"strings"
	"time"
)

// moment is a time as it is shown: an age for people, and the exact time for who rests on it.
type moment struct {
	Age   string // 42s, 3m, 2h, 5d; empty for no time
	Exact string // RFC 3339, UTC
}

func momentOf(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{Age: age(now.Sub(t)), Exact: t.UTC().Format(time.RFC3339)}
}

// until is how long it takes to a moment that is to come.
func until(t, now time.Time) moment {
	return moment{Age: age(t.Sub(now)), Exact: t.UTC().Format(time.RFC3339)}
}

// age is a length of time in its largest unit. A clock that was set back gives no negative one.
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

func milliseconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }

// span is a part of a sentence: words, or a command that stood between backquotes.
type span struct {
	Text string
	Code bool
}

// spans of a sentence. A backquote without its other half is a character like any other.
func spans(sentence string) []span {
	parts := strings.Split(sentence, "`")
	if len(parts)%2 == 0 {
		parts = []string{sentence}
	}
	var out []span
	for i, p := range parts {
		if p != "" {
			out = append(out, span{Text: p, Code: i%2 == 1})
		}
	}
	return out
}
