package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlPlace = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxProblem explains text that is no YAML.
func syntaxProblem(f SourceFile, err error) *Problem {
	m := yamlPlace.FindStringSubmatch(err.Error())
	p := &Problem{File: f.Path, Line: 1, Message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if m != nil {
		p.Message = "not YAML: " + err.Error()[len(m[0]):]
		if n, err := strconv.Atoi(m[1]); err == nil {
			p.Line = n
		}
	}
	if line, ok := firstBroken(f.Data); ok {
		p.Line = line
	}
	text := lineOf(f.Data, p.Line)
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	switch {
	case strings.Contains(indent, "\t"):
		p.Column = strings.Index(indent, "\t") + 1
		p.Message, p.Fix = "not YAML: the line is indented with a tab", "indent with spaces"
	case strings.Contains(p.Message, "mapping values"), strings.Contains(p.Message, "simple key"):
		p.Fix = "a text with ': ' in it needs quotes; a line with no ':' at its key breaks the one after it"
	case strings.Contains(p.Message, "did not find expected") && strings.ContainsAny(text, "[{"):
		p.Fix = "close the bracket, or put the text in quotes"
	case strings.Contains(p.Message, "did not find expected"):
		p.Fix = "begin all keys of one group in the same column"
	case strings.Contains(p.Message, "unknown anchor"):
		p.Fix = "define it above with &name, or put the text in quotes"
	case strings.Contains(p.Message, "end of stream"):
		p.Fix = "a quote or bracket that opens here is not closed"
	case strings.Contains(p.Message, "max depth"):
		p.Fix = "nest less: a config is four levels deep"
	case strings.Contains(p.Message, "cannot start any token"):
		p.Fix = "put the text in quotes"
	default:
		p.Fix = "look at quotes, brackets and indents on and above this line"
	}
	return p
}

// firstBroken finds the line after the longest run of whole lines that is still YAML. The library's own number is that
// of the enclosing group, and one too low for half of its errors. The work is bounded; false if it would be too much.
func firstBroken(data []byte) (int, bool) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines)*len(data) > 4<<20 {
		return 0, false
	}
	end := len(data)
	for n := len(lines) - 1; n > 0; n-- {
		end -= len(lines[n])
		if isYAML(data[:end]) {
			return n + 1, true
		}
	}
	return 1, true
}

func isYAML(data []byte) bool {
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func lineOf(data []byte, line int) string {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	return string(bytes.TrimRight(lines[line-1], "\r"))
}
