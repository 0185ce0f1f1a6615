package podlogs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Policy says how much of a log's end is wanted, and how.
type Policy int

const (
	// Termination is what stands in for a termination message (FallbackToLogsOnError): the last 2 KiB of the last 80 lines, kubelet's bounds
	// (pkg/kubelet/container/helpers.go). Valid UTF-8.
	Termination Policy = iota
	// Evidence is what is kept of a death: the last 20 lines, 4 KiB at most after Escape. A line cut in front begins with "...".
	Evidence
)

// window is how much of a file is read for either: far more than the lines wanted take, unless the runtime cut them into tiny pieces.
const window = 256 << 10

// LastLines is the end of an attempt's log, lines divided by newlines, empty where there is none. path is that of the current file; what it
// lacks is taken from the file that was rotated last.
func LastLines(path string, p Policy) (string, error) {
	n, size := 80, 2<<10
	if p == Evidence {
		n, size = 20, 4<<10
	}
	lines, err := Tail(path, n, window)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(lines) < n {
		if before := rotatedLast(path); before != "" {
			older, err := Tail(before, n-len(lines), window)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
			lines = append(older, lines...)
		}
	}
	if p == Evidence {
		return evidence(lines, size), nil
	}
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.Text
	}
	return suffix(strings.ToValidUTF8(strings.Join(texts, "\n"), string(utf8.RuneError)), size), nil
}

// rotatedLast is the newest uncompressed rotated file of a log; empty where there is none.
func rotatedLast(path string) string {
	current, ok := parseName(filepath.Base(path))
	if !ok {
		return ""
	}
	files, err := list(filepath.Dir(path))
	if err != nil {
		return ""
	}
	last := ""
	for _, f := range files {
		if f.attempt == current.attempt && f.stamp != "" {
			last = ""
			if !f.gz {
				last = filepath.Join(filepath.Dir(path), f.name)
			}
		}
	}
	return last
}

const cut = "..."

// evidence takes lines from the end as long as they fit.
func evidence(lines []Line, size int) string {
	var texts []string
	for i := len(lines) - 1; i >= 0 && size > 0; i-- {
		raw := suffix(lines[i].Text, size) // before Escape, which may make six bytes of one
		t := Escape(raw)
		if len(raw) < len(lines[i].Text) || len(t) > size {
			if size <= len(cut) {
				break
			}
			t = cut + suffix(t, size-len(cut))
		}
		texts = append([]string{t}, texts...)
		size -= len(t) + 1
	}
	return strings.Join(texts, "\n")
}

// suffix is the last size bytes of a text, less where a rune would be cut.
func suffix(s string, size int) string {
	if len(s) <= size {
		return s
	}
	s = s[len(s)-size:]
	for i := 0; i < len(s) && i < utf8.UTFMax; i++ {
		if utf8.RuneStart(s[i]) {
			return s[i:]
		}
	}
	return s
}
