package manifest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"
)

func readYAML(text []byte, base int) (*node, []duplicate, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil, &placed{line: base + 1, message: "the document is empty"}
	}
	if err == nil {
		// YAML ends lines at characters that split does not, and the parser stops at the end of the first document: what
		// follows would be dropped without a word.
		var more yaml.Node
		switch err = dec.Decode(&more); {
		case errors.Is(err, io.EOF):
			err = nil
		case err == nil:
			return nil, nil, &placed{line: base + more.Line, message: "a second document begins inside this one", fix: "end every line with a plain line feed"}
		}
	}
	if err != nil {
		e := yamlError(err, text, base)
		if strings.Contains(e.message, notExpected) {
			e.line = brokenLine(text, base, e.line)
		}
		return nil, nil, e
	}
	return yamlTree(&doc, base)
}

// notExpected begins the errors of the parser proper, as against those of its scanner.
const notExpected = "did not find expected"

// brokenLine finds the line on which the text breaks, where the parser named the line on which the broken block begins.
func brokenLine(text []byte, base, begins int) int {
	if bytes.IndexByte(text, '&') >= 0 && bytes.IndexByte(text, '*') >= 0 {
		return begins // the other parser expands aliases, whose bounds cannot be checked without a tree
	}
	_, err := kyaml.YAMLToJSON(text)
	if err == nil || !strings.Contains(err.Error(), notExpected) {
		return begins
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		// It counts lines from 0 in these errors, and the end of the text as a line of its own.
		n, _ := strconv.Atoi(m[1])
		return base + min(n+1, 1+bytes.Count(bytes.TrimRight(text, "\r\n"), []byte("\n")))
	}
	return begins
}

// yamlValues gives the document as JSON through the decoder that a kubelet uses, so that a value means here what it means
// there (yes is a boolean, 0644 is octal).
func yamlValues(text []byte, base int) ([]byte, error) {
	raw, err := kyaml.YAMLToJSON(text)
	if err != nil {
		return nil, yamlError(err, text, base)
	}
	return raw, nil
}

var (
	yamlLine   = regexp.MustCompile(`line ([0-9]+): `)
	yamlAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
	yamlEchoed = regexp.MustCompile("`[^`]*`")
)

// yamlHints answers the parser's words with what is mostly the matter.
var yamlHints = []struct{ words, hint string }{
	{"cannot start any token", "YAML takes no tabs for indentation, and a value that begins with @ or ` needs quotes"},
	{"mapping values are not allowed", "check the indentation, and quote a value that holds a colon and a space"},
	{"did not find expected key", "check the indentation of this line and the ones above"},
	{"did not find expected '-' indicator", "check the indentation of this line and the ones above"},
	{"could not find expected ':'", "a key needs a colon and a space after it"},
	{"did not find expected ',' or", "close the bracket or the brace"},
	{"found unexpected end of stream", "close the quote; the file may be cut short"},
	{"unknown anchor", "define it with & above, in the same document"},
}

// yamlError gives a parser's error its place in the file, without the values that some of them repeat.
func yamlError(err error, text []byte, base int) *placed {
	e := &placed{line: base + 1, message: strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")}
	if strings.HasPrefix(e.message, "unsupported map key") {
		e.message = "a key must be a string"
		return e
	}
	if m := yamlLine.FindStringSubmatch(e.message); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.line = base + n
		}
		e.message = strings.Replace(e.message, m[0], "", 1)
	}
	if m := yamlAnchor.FindStringSubmatch(e.message); m != nil {
		if i := bytes.Index(text, []byte("*"+m[1])); i >= 0 {
			e.line += bytes.Count(text[:i], []byte("\n"))
		}
	}
	if strings.Contains(e.message, "json: unsupported value") {
		e.message = "a number is infinite, or is none"
		return e
	}
	e.message = strings.TrimPrefix(e.message, "yaml: ")
	e.message = "not valid YAML: " + short(yamlEchoed.ReplaceAllString(strings.Join(strings.Fields(e.message), " "), "a value"))
	for _, h := range yamlHints {
		if strings.Contains(e.message, h.words) {
			e.fix = h.hint
			break
		}
	}
	return e
}
