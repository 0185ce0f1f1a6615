package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"
	kyaml "sigs.k8s.io/yaml"
)

// Mode says who will run the pods.
type Mode int

const (
	// Run means this agent. What it cannot do is refused, and so are unknown and doubled keys.
	Run Mode = iota
	// Kubelet means a kubelet. Only what a kubelet refuses is an error; what it passes over in silence is a warning.
	Kubelet
)

// Options of Parse.
type Options struct {
	// NodeName is the node's name in the cluster. It becomes spec.nodeName, and the end of the pod's name there.
	NodeName string
	Mode     Mode
}

// Pod is one pod of a manifest.
type Pod struct {
	File     string
	Document int // number of the document in the file, from 1
	// Namespace and Name as written, with the default namespace filled in. A kubelet shows the pod under NodePodName.
	Namespace, Name string
	// Hash identifies what the user wrote: "v1:" and a sha256 in hex over the document before defaults. Comments,
	// formatting and the order of keys don't change it; neither does another release of the agent or of the API.
	Hash string
	// Spec is the whole Pod, decoded, with the API's defaults and spec.nodeName filled in. It belongs to the caller.
	Spec *corev1.Pod
}

// Key is "namespace/name".
func (p Pod) Key() string { return p.Namespace + "/" + p.Name }

// Result is what a file holds. Pods and Problems are both in the file's order.
type Result struct {
	Pods     []Pod
	Problems []Problem
}

// Failed tells whether any problem is more than a warning: what the file should run is then not wholly known, and what
// already runs from it should stay.
func (r Result) Failed() bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return !p.Warning })
}

// NodePodName is the name under which the API server and a kubelet know a static pod of this node.
func NodePodName(name, nodeName string) string { return name + "-" + strings.ToLower(nodeName) }

// Parse reads a manifest file, YAML or JSON. file stands in pods and problems and is not opened. A document with an
// error yields no pod. Parse never fails otherwise, and the same bytes give the same result.
func Parse(file string, data []byte, o Options) Result {
	s := &sink{file: file}
	r := Result{Pods: pods(s, data, o)}
	r.Problems = s.sorted()
	return r
}

func pods(s *sink, data []byte, o Options) []Pod {
	if !bounded(s, data) {
		return nil
	}
	docs := split(data, MaxDocuments+1)
	if len(docs) > MaxDocuments {
		s.add(Problem{Line: docs[MaxDocuments].line, Message: fmt.Sprintf("more than %d documents", MaxDocuments), Fix: "split the file"})
		return nil
	}
	filled := slices.DeleteFunc(slices.Clone(docs), func(d document) bool { return d.empty })
	if len(filled) == 0 {
		s.add(Problem{Line: 1, Message: "the file holds no document", Fix: "write a Pod, or remove the file to stop what ran from it"})
		return nil
	}
	if o.Mode == Kubelet {
		if docs[0].empty {
			s.add(Problem{Line: docs[0].line, Message: "the first document is empty, and a kubelet reads no other", Fix: "remove the --- above the Pod"})
			return nil
		}
		if n := len(filled) - 1; n > 0 {
			s.document = filled[1].number
			s.add(Problem{Line: filled[1].line, Message: fmt.Sprintf("a kubelet reads only the first document of a file; %d further ones are not run, this is the first of them", n), Fix: "give each pod a file of its own", Warning: true})
		}
		filled = filled[:1]
	}
	var out []Pod
	first := map[string]int{}
	for _, d := range filled {
		s.document, s.errors, s.faulty = d.number, 0, map[string]bool{}
		pod, at, ok := parseDocument(s, d, o)
		if !ok {
			continue
		}
		if line, taken := first[pod.Key()]; taken {
			s.at(at.field("metadata").field("name"), fmt.Sprintf("the pod %s stands in this file already, on line %d", pod.Key(), line), "rename one, or remove it")
			continue
		}
		first[pod.Key()] = at.line
		out = append(out, pod)
	}
	return out
}

// bounded checks what must hold before anything is parsed.
func bounded(s *sink, data []byte) bool {
	if len(data) > MaxBytes {
		s.add(Problem{Message: fmt.Sprintf("the file is larger than %d MiB", MaxBytes>>20), Fix: "a kubelet does not read it either; keep data out of manifests"})
		return false
	}
	if bad := invalidUTF8(data); bad >= 0 {
		s.add(Problem{Line: 1 + bytes.Count(data[:bad], []byte("\n")), Message: "the file is not UTF-8 text", Fix: "save it as UTF-8"})
		return false
	}
	// Each YAML node but the first needs one of these in front of it.
	nodes := 0
	for _, c := range data {
		switch c {
		case '\n', ',', '[', '{', ':', '-', '?':
			nodes++
		}
	}
	if nodes > maxNodes && structure(data) > maxNodes {
		s.add(Problem{Message: fmt.Sprintf("the file may hold more than %d values", maxNodes), Fix: "keep data out of manifests"})
		return false
	}
	return true
}

// structure counts the bytes that can begin a YAML node, an upper bound of the nodes: a dash or colon inside a word does
// not.
func structure(data []byte) int {
	n := 0
	for i, c := range data {
		switch c {
		case '\n', ',', '[', '{':
			n++
		case ':', '-', '?':
			if i+1 == len(data) || strings.IndexByte(" \t\r\n,[]{}\"'", data[i+1]) >= 0 || i > 0 && strings.IndexByte("\"'", data[i-1]) >= 0 {
				n++
			}
		}
	}
	return n
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// parseDocument gives the pod of one document and where it stands, or adds to s why there is none.
func parseDocument(s *sink, d document, o Options) (Pod, place, bool) {
	value, raw, at, duplicates, err := read(d)
	if err != nil {
		var p *placed
		if !errors.As(err, &p) {
			p = &placed{line: d.line, message: err.Error()}
		}
		s.add(Problem{Line: p.line, Column: p.col, Message: p.message, Fix: p.fix})
		return Pod{}, place{}, false
	}
	for _, dup := range duplicates[:min(len(duplicates), maxProblems)] {
		in, _ := at.pathTo(dup.in)
		p := in.field(dup.key)
		p.line, p.col = dup.line, dup.col
		message := fmt.Sprintf("the key stands in this mapping already, on line %d", dup.prev)
		if o.Mode == Kubelet {
			s.warn(p, message+"; a kubelet takes the last one without a word", "keep one")
		} else {
			s.at(p, message, "keep one")
		}
	}
	if !isPod(s, value, at, o) {
		return Pod{}, place{}, false
	}
	w := &walker{sink: s, opts: o, fields: map[reflect.Type]map[string]reflect.Type{}}
	w.walk(reflect.TypeFor[corev1.Pod](), value, at, "", true)

	if w.pruned {
		// What decoded into value encodes again.
		raw, _ = json.Marshal(value)
	}
	spec := &corev1.Pod{}
	if _, err := kjson.UnmarshalStrict(raw, spec, kjson.DisallowUnknownFields); err != nil {
		// The walk has reported this with its place; this is for what it may have missed.
		if s.errors == 0 {
			s.at(at, "decode the pod: "+short(err.Error()), "")
		}
		return Pod{}, place{}, false
	}
	setDefaults(spec, o.NodeName)
	validator{sink: s, opts: o}.pod(spec, at)
	if s.errors > 0 {
		return Pod{}, place{}, false
	}
	return Pod{File: s.file, Document: d.number, Namespace: spec.Namespace, Name: spec.Name, Hash: hashOf(value), Spec: spec}, at, true
}

// read gives a document's values, their JSON and their places.
func read(d document) (value any, raw []byte, at place, duplicates []duplicate, err error) {
	var tree *node
	text, base := d.text, d.line-1
	if body, skipped := jsonBody(text); body != nil {
		raw = body
		tree, duplicates, err = jsonTree(body, base+skipped)
	} else {
		tree, duplicates, err = readYAML(text, base)
		if err == nil {
			raw, err = yamlValues(text, base)
		}
	}
	if err != nil {
		return nil, nil, place{}, nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, nil, place{}, nil, fmt.Errorf("read the values: %w", err)
	}
	return value, raw, root(tree), duplicates, nil
}

// jsonBody gives a document's text without its marker line, and that line's count, if the rest is JSON. A kubelet reads
// such a document as JSON, not as YAML.
func jsonBody(text []byte) ([]byte, int) {
	skipped := 0
	if marker(text, "---") {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 3 {
			text, skipped = rest, 1
		}
	}
	body := bytes.TrimSpace(text)
	if len(body) == 0 || body[0] != '{' || !json.Valid(body) {
		return nil, 0
	}
	return text, skipped
}

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
