package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing wrong with a manifest, or, as a warning, one thing that will not have the effect it seems to
// have.
type Problem struct {
	File string
	// Document is the number of the document in the file, from 1; 0 when the whole file is meant.
	Document int
	// Line and Column count from 1; Column counts characters in YAML and bytes in JSON. 0 is unknown.
	Line, Column int
	// Key is the path of the field, such as spec.containers[0].image; empty when the fault lies in no field.
	Key string
	// Message says what is wrong; Fix what to do, and may be empty.
	Message, Fix string
	// Warning is true when the pod runs all the same.
	Warning bool
}

// String gives "file:line:col: key: message; fix", leaving out what is not known.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
		if p.Column > 0 {
			b.WriteString(":" + strconv.Itoa(p.Column))
		}
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// sink collects the problems of one file.
type sink struct {
	file     string
	document int
	problems []Problem
	dropped  int             // beyond the bound
	errors   int             // of the current document
	faulty   map[string]bool // paths of the current document whose value is known to be bad
	guesses  int             // of what a word was meant to be, so far
}

// near is nearest for as often as anyone reads on: a guess costs more than the check before it.
func (s *sink) near(word string, candidates []string) string {
	if s.guesses >= 2*maxProblems || len(candidates) > maxCandidates {
		return ""
	}
	s.guesses++
	return nearest(word, candidates)
}

// at adds an error.
func (s *sink) at(p place, message, fix string) {
	s.add(Problem{Line: p.line, Column: p.col, Key: p.path, Message: message, Fix: fix})
}

// warn adds a warning.
func (s *sink) warn(p place, message, fix string) {
	s.add(Problem{Line: p.line, Column: p.col, Key: p.path, Message: message, Fix: fix, Warning: true})
}

// known tells whether the value at a path, or what holds it, was found bad before.
func (s *sink) known(path string) bool {
	for len(s.faulty) > 0 && path != "" {
		if s.faulty[path] {
			return true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return false
}

func (s *sink) add(p Problem) {
	p.File, p.Document = s.file, s.document
	if !p.Warning {
		s.errors++
	}
	if len(s.problems) >= 10*maxProblems {
		s.dropped++
		return
	}
	s.problems = append(s.problems, p)
}

// sorted gives the problems by place, each once, at most maxProblems; errors are kept before warnings.
func (s *sink) sorted() []Problem {
	byPlace := func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Message, b.Message))
	}
	slices.SortStableFunc(s.problems, byPlace)
	out := slices.Compact(s.problems)
	more := s.dropped
	if len(out) > maxProblems {
		more += len(out) - maxProblems
		slices.SortStableFunc(out, func(a, b Problem) int {
			switch {
			case a.Warning == b.Warning:
				return 0
			case b.Warning:
				return -1
			}
			return 1
		})
		out = out[:maxProblems]
		slices.SortStableFunc(out, byPlace)
	}
	if more > 0 {
		out = append(out, Problem{File: s.file, Message: fmt.Sprintf("%d more problems are not shown", more),
			Fix: "mend the first ones and look again", Warning: !slices.ContainsFunc(out, func(p Problem) bool { return !p.Warning })})
	}
	return out
}

// nearKey is near for the keys of a set.
func (s *sink) nearKey(word string, set map[string]bool) string {
	if len(set) > maxCandidates {
		return ""
	}
	return s.near(word, slices.Sorted(maps.Keys(set)))
}

// quoted gives a user's text for a message: quoted, without control characters, cut when long.
func quoted(s string) string { return strconv.Quote(short(s)) }

func short(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if utf8.RuneCountInString(s) > maxQuoted {
		s = string([]rune(s[:min(len(s), 4*maxQuoted)])[:maxQuoted]) + "..."
	}
	return s
}

// pathKey gives a user's key for a path: printable, cut when long.
func pathKey(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, short(s))
}
