package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse: nothing makes Parse panic; what it refuses is told one problem a line; what it accepts survives Print and
// Accepted.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", everyKey, string(Reference()), "a: &a [*a]", "log: &a {<<: *a}", "log: {<<: [{level: info}, {format: json}]}",
		"conditions: {A: &x {valid: 1m}, B: *x, true: {subjects: 0x10}}", "---\n---\n", "? {}\n: 1", "\ufefflog: {}",
		"nodeName: !!binary aGk=\nevents: {maxSize: !!int \"1\\n\"}", "runDir: \"/\\xff\\u2028\"", "log:\n\tlevel: x", "kind: [x]\napiVersion: {}",
		"stateDir: |\n  /x\n", "log: !!map\nlog2: !<tag> x", "staticPods: !!null x", "metrics: {listen: '[::%]:1'}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse([]SourceFile{{"f.yaml", data}}, Options{})
		var refused *Error
		if errors.As(err, &refused) {
			if got, want := strings.Count(refused.Error(), "\n")+1, len(refused.Problems); got != want || want == 0 {
				t.Fatalf("%d problems on %d lines: %s", want, got, refused)
			}
			for _, p := range refused.Problems {
				if p.Line < 0 || p.Column < 0 || p.Message == "" || p.Fix == "" {
					t.Fatalf("incomplete: %#v", p)
				}
			}
			return
		}
		if err != nil {
			t.Fatalf("%T: %v", err, err)
		}
		checkPrintReadsBack(t, l)
		back, err := FromAccepted(l.Accepted(), Options{})
		if err != nil || !reflect.DeepEqual(back.Config, l.Config) {
			t.Fatalf("last accepted reads back as %+v, %v, want %+v", back, err, l.Config)
		}
	})
}
