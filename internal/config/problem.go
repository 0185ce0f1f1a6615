package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one fault of a config file.
type Problem struct {
	File    string // path as it was given
	Line    int    // from 1; 0: the whole file
	Column  int    // in characters, from 1; 0: not known
	Key     string // dotted, such as staticPods.mode; empty: not about one key
	Message string // what is wrong
	Fix     string // what would be right
}

// String is one line: file:line:column: key: what is wrong; what would be right.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(printable(p.File))
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	if p.Key != "" {
		b.WriteString(": " + bare(p.Key))
	}
	b.WriteString(": " + p.Message)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Error is a refused configuration: every problem of every file, in the order of files and lines.
type Error struct{ Problems []Problem }

// Error has one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// refusal sorts problems by the order in which files were read, then by place, and drops repeats: an anchor that is
// used twice would otherwise report its faults twice.
func refusal(problems []Problem, files []SourceFile) error {
	if len(problems) == 0 {
		return nil
	}
	order := make(map[string]int, len(files))
	for i, f := range files {
		order[f.Path] = i
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(order[a.File], order[b.File]),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
		)
	})
	return &Error{Problems: slices.Compact(problems)}
}

// printable keeps s as it is where it can stand on one line of a terminal, and quotes it otherwise.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}

// maxShown is how much of a person's own text a message repeats, in characters.
const maxShown = 100

// shown quotes what a person wrote, cut to a length that still fits on a line.
func shown(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "..."
	}
	return strconv.Quote(s)
}

// bare is shown without the quotes where none are needed.
func bare(s string) string {
	if len(s) > maxShown {
		return shown(s)
	}
	return printable(s)
}
