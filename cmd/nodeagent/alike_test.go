package main

import (
	"strings"
	"testing"
	"time"
)

func TestAlike(t *testing.T) {
	at := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	of := func(name, shown, subject, say string, since time.Time) finding {
		return finding{condition: name, shown: shown, subject: subject, since: since, say: []string{say}}
	}
	got := alike([]finding{
		of("A", "failing", "", "same", at), of("B", "failing", "", "same", at),
		of("C", "unknown", "", "hung", at.Add(time.Minute)), of("D", "unknown", "x", "hung", at), of("E", "unknown", "", "hung", at),
		of("F", "absent", "", "none", at), of("G", "absent", "", "another", at), of("H", "absent", "", "none", at),
	})
	var text strings.Builder
	for _, f := range got {
		text.WriteString(f.shown + "|" + f.condition + "|" + strings.Join(f.say, "; ") + "\n")
	}
	want := "failing|A|same\nfailing|B|same\nunknown|2 conditions|C, E; hung\nunknown|D|hung\nabsent|2 conditions|F, H; none\nabsent|G|another\n"
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", text.String(), want)
	}
	if !got[2].since.Equal(at) {
		t.Errorf("they are so since %v, the earliest is %v", got[2].since, at)
	}
}
