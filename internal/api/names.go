package api

import (
	"slices"
	"strings"
	"unicode/utf8"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

const seeStatus = "see `nodeagent status`"

// Resolve finds a condition's name as it is declared, whatever the case it was typed in. The error is a *view.Error that names what is near.
func Resolve(s health.Snapshot, name string) (string, error) {
	st, ok := find(s, name)
	if ok {
		return st.Condition.Name, nil
	}
	fix := seeStatus + " for all names"
	if near := nearest(names(s), name); len(near) > 0 {
		fix = "did you mean " + strings.Join(near, ", ") + "? " + seeStatus + " for all names"
	}
	return "", &view.Error{Problem: "no condition " + cut(view.OneLine(name), 64), Fix: fix}
}

func find(s health.Snapshot, name string) (health.State, bool) {
	if st, ok := s.Of(name); ok {
		return st, true
	}
	for _, n := range names(s) {
		if strings.EqualFold(n, name) {
			return s.Of(n)
		}
	}
	return health.State{}, false
}

func names(s health.Snapshot) []string {
	var out []string
	for _, st := range s.States() {
		out = append(out, st.Condition.Name)
	}
	return out
}

// unknownName fits into a check's message: as many of the nearest names as there is room for.
func unknownName(s health.Snapshot, name string) string {
	head := "no condition " + cut(view.OneLine(name), 24)
	for near := nearest(names(s), name); len(near) > 0; near = near[:len(near)-1] {
		text := head + ", near: " + strings.Join(near, ", ") + "; " + seeStatus
		if utf8.RuneCountInString(text) <= checkLength {
			return text
		}
	}
	return head + "; " + seeStatus
}

// nearest are at most three names that a person may have meant, the likeliest first.
func nearest(names []string, typed string) []string {
	type candidate struct {
		name string
		far  int
	}
	var found []candidate
	typed = strings.ToLower(cut(typed, 64))
	for _, n := range names {
		low := strings.ToLower(n)
		far := distance(low, typed)
		switch {
		case far <= max(2, len(low)/3):
		case len(typed) >= 3 && (strings.Contains(low, typed) || strings.Contains(typed, low)):
			far += 100
		default:
			continue
		}
		found = append(found, candidate{n, far})
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.far - b.far })
	var out []string
	for _, c := range found[:min(3, len(found))] {
		out = append(out, c.name)
	}
	return out
}

// distance is Levenshtein's: insertions, deletions and substitutions of bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, corner := i+1, i
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost = 1 + min(corner, left, row[j+1])
			}
			corner = row[j+1]
			row[j], left = left, cost
		}
		row[len(b)] = left
	}
	return row[len(b)]
}
