package runtime

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// tomlStrings finds one key in a TOML document, by its dotted path, and answers the strings of its value: one of a string, each of an
// array. It reads no more of TOML than containerd's and CRI-O's files need to find one key in them. A key that is not there
// answers nil; broken syntax up to the key is an error.
func tomlStrings(doc []byte, key string) (found []string, err error) {
	err = tomlEach(doc, func(at string, values []string) bool {
		if at == key {
			found = values
		}
		return at != key
	})
	return found, err
}

// tomlEach calls yield with each key, by its dotted path, and the strings of its value, in the document's order, until it answers false.
func tomlEach(doc []byte, yield func(key string, values []string) bool) error {
	s := tomlScanner{s: strings.TrimPrefix(string(doc), "\ufeff")}
	table := ""
	for {
		s.skip(true)
		if s.done() {
			return nil
		}
		if s.s[s.i] == '[' {
			s.i++
			array := s.take('[')
			path, err := s.key()
			if err != nil {
				return s.wrong(err)
			}
			if !s.take(']') || array && !s.take(']') {
				return s.wrong(errors.New("a table's name does not end"))
			}
			table = path + "."
			continue
		}
		path, err := s.key()
		if err != nil {
			return s.wrong(err)
		}
		if !s.take('=') {
			return s.wrong(errors.New("want = after a key"))
		}
		s.skip(false)
		values, err := s.value()
		if err != nil {
			return s.wrong(err)
		}
		if !yield(table+path, values) {
			return nil
		}
	}
}

type tomlScanner struct {
	s string
	i int
}

func (s *tomlScanner) done() bool { return s.i >= len(s.s) }

func (s *tomlScanner) wrong(err error) error {
	return fmt.Errorf("line %d: %w", 1+strings.Count(s.s[:min(s.i, len(s.s))], "\n"), err)
}

func (s *tomlScanner) take(c byte) bool {
	if s.done() || s.s[s.i] != c {
		return false
	}
	s.i++
	return true
}

// skip passes blanks and, with lines set, line ends and comments too.
func (s *tomlScanner) skip(lines bool) {
	for !s.done() {
		switch c := s.s[s.i]; {
		case c == ' ' || c == '\t' || c == '\r':
			s.i++
		case lines && c == '\n':
			s.i++
		case lines && c == '#':
			n := strings.IndexByte(s.s[s.i:], '\n')
			if n < 0 {
				n = len(s.s) - s.i
			}
			s.i += n
		default:
			return
		}
	}
}

// key reads a dotted key with the blanks around it.
func (s *tomlScanner) key() (string, error) {
	var parts []string
	for {
		s.skip(false)
		if s.done() {
			return "", errors.New("want a key")
		}
		if c := s.s[s.i]; c == '"' || c == '\'' {
			part, err := s.str()
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		} else {
			n := 0
			for s.i+n < len(s.s) && bare(s.s[s.i+n]) {
				n++
			}
			if n == 0 {
				return "", errors.New("want a key")
			}
			parts = append(parts, s.s[s.i:s.i+n])
			s.i += n
		}
		s.skip(false)
		if !s.take('.') {
			return strings.Join(parts, "."), nil
		}
	}
}

func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// value passes one value and answers the strings in it.
func (s *tomlScanner) value() ([]string, error) {
	var out []string
	depth := 0
	for !s.done() {
		switch c := s.s[s.i]; {
		case c == '"' || c == '\'':
			v, err := s.str()
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		case c == '[' || c == '{':
			depth++
			s.i++
		case c == ']' || c == '}':
			depth--
			s.i++
		case depth > 0 && (c == '\n' || c == '#'):
			s.skip(true)
		case c == '\n' || c == '#':
			return out, nil
		default:
			s.i++
		}
		if depth < 0 {
			return nil, errors.New("a bracket too many")
		}
	}
	if depth > 0 {
		return nil, errors.New("an array or table does not end")
	}
	return out, nil
}

// str reads a string in any of TOML's four forms.
func (s *tomlScanner) str() (string, error) {
	quote := s.s[s.i : s.i+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s.s[s.i:], long) {
		n := strings.Index(s.s[s.i+3:], long)
		if n < 0 {
			return "", errors.New("a string does not end")
		}
		v := s.s[s.i+3 : s.i+3+n]
		s.i += n + 6
		return strings.TrimPrefix(v, "\n"), nil
	}
	for j := s.i + 1; j < len(s.s) && s.s[j] != '\n'; j++ {
		switch {
		case s.s[j] == '\\' && quote == `"`:
			j++
		case s.s[j] == quote[0]:
			raw := s.s[s.i : j+1]
			s.i = j + 1
			if quote == `'` {
				return raw[1 : len(raw)-1], nil
			}
			v, err := strconv.Unquote(raw)
			if err != nil {
				return "", fmt.Errorf("string %s: %w", raw, err)
			}
			return v, nil
		}
	}
	return "", errors.New("a string does not end")
}
