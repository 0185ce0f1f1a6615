package lint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Position is a line of a file.
type Position struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1; 0: the file as a whole
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// line is one line of the configuration, where it stands.
type line struct {
	pos  Position
	text string
}

// The bounds of what is read. keepalived has none of its own: it opens an include loop until it has no descriptors left.
const (
	maxBytes   = 16 << 20 // of all files together
	maxFiles   = 1000
	maxDepth   = 16      // of includes
	maxLines   = 400_000 // after parameters and ~SEQ
	maxLineLen = 64 << 10
)

// includes are the words that include files.
var includes = []string{"include", "includea", "includeb", "includem", "includer", "includew"}

// source reads files below root.
type source struct {
	root  string
	bytes int
	files int
	emit  func(line) bool // false: enough
	note  func(*Rule, Position, string, ...any)
}

// read emits the lines of a file and of what it includes. chain are the files that are open, outermost first.
func (s *source) read(name string, chain []string) error {
	name = path.Clean("/" + name)
	f, err := s.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(maxBytes-s.bytes)+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	s.files++
	if s.bytes += len(b); s.bytes > maxBytes {
		s.note(ruleTooLarge, Position{File: name}, "the configuration is larger than %d MiB: it is read no further", maxBytes>>20)
		return nil
	}
	n := 0
	for text := range strings.Lines(string(b)) {
		n++
		l := line{Position{name, n}, strings.TrimRight(text, "\r\n")}
		if len(l.text) > maxLineLen {
			s.note(ruleTooLarge, l.pos, "a line of more than %d KiB is passed over", maxLineLen>>10)
			continue
		}
		if word, pattern, ok := included(l.text); ok {
			s.include(word, pattern, l.pos, append(slices.Clip(chain), name))
			continue
		}
		if !s.emit(l) {
			return nil
		}
	}
	return nil
}

func (s *source) open(name string) (*os.File, error) {
	real := filepath.Join(s.root, name)
	st, err := os.Stat(real)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	case !st.Mode().IsRegular(): // a FIFO would be waited for
		return nil, fmt.Errorf("read %s: not a file", name)
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, cause(err))
	}
	return f, nil
}

// cause is an error without the path, which has the root of a test in it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// included is the word and the pattern of an include line. keepalived looks for these words before conditions and parameters.
func included(text string) (word, pattern string, ok bool) {
	words := strings.Fields(decomment(text))
	if len(words) < 2 || !slices.Contains(includes, words[0]) {
		return "", "", false
	}
	return words[0], strings.Trim(words[1], `"'`), true
}

func (s *source) include(word, pattern string, at Position, chain []string) {
	if strings.ContainsAny(pattern, "$") {
		s.note(ruleUnsure, at, "keepalived puts no parameters into an include: %s is looked for as it is written", pattern)
	}
	if !path.IsAbs(pattern) {
		pattern = path.Join(path.Dir(at.File), pattern)
	}
	var names []string
	for _, p := range braces(pattern) {
		found, err := filepath.Glob(filepath.Join(s.root, p))
		if err != nil {
			s.note(ruleUnsure, at, "the pattern %s is not understood: %v", pattern, err)
			return
		}
		for _, f := range found {
			rel, err := filepath.Rel(filepath.Join("/", s.root), f)
			if err == nil {
				names = append(names, path.Join("/", filepath.ToSlash(rel)))
			}
		}
	}
	if len(names) == 0 {
		if strings.ContainsAny(pattern, "*?[") && word != "includea" && word != "includew" {
			return // an empty folder of parts is nothing wrong
		}
		s.note(ruleIncludeMissing, at, "no file matches %s", pattern)
		return
	}
	for _, name := range names {
		switch {
		case slices.Contains(chain, name):
			s.note(ruleIncludeCycle, at, "%s includes itself", name)
		case len(chain) >= maxDepth:
			s.note(ruleTooLarge, at, "includes go deeper than %d files: %s is not read", maxDepth, name)
		case s.files >= maxFiles:
			s.note(ruleTooLarge, at, "more than %d files: %s is not read", maxFiles, name)
			return
		default:
			if err := s.read(name, chain); err != nil {
				s.note(ruleIncludeMissing, at, "%v", err)
			}
		}
	}
}

// braces expands a {b,c}d as glob(3) does with GLOB_BRACE, to at most 64 patterns.
func braces(p string) []string {
	out := []string{p}
	for i := 0; i < len(out) && len(out) < 64; {
		open, end := -1, -1
		level := 0
		var commas []int
	scan:
		for j, c := range out[i] {
			switch {
			case c == '{':
				if level++; level == 1 {
					open = j
				}
			case c == ',' && level == 1 && len(commas) < 64:
				commas = append(commas, j)
			case c == '}' && level > 0:
				if level--; level == 0 {
					end = j
					break scan
				}
			}
		}
		if open < 0 || end < 0 {
			i++
			continue
		}
		p, from := out[i], open+1
		var alternatives []string
		for _, c := range append(commas, end) {
			alternatives = append(alternatives, p[:open]+p[from:c]+p[end+1:])
			from = c + 1
		}
		out = slices.Replace(out, i, i+1, alternatives...)
	}
	return out[:min(len(out), 64)]
}

// decomment takes a comment away: from # or ! outside of quotes to the end of the line.
func decomment(s string) string {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' || c == '!':
			return s[:i]
		}
	}
	return s
}
