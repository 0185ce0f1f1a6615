package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"
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

// Result is what a file holds. Pods, Objects and Problems are each in the file's order.
type Result struct {
	Pods     []Pod
	Objects  []Object // none in kubelet mode
	Problems []Problem
}

// Failed tells whether any problem is more than a warning: what the file should run is then not wholly known, and what
// already runs from it should stay.
func (r Result) Failed() bool {
	return slices.ContainsFunc(r.Problems, func(p Problem) bool { return !p.Warning })
}

// NodePodName is the name under which the API server and a kubelet know a static pod of this node.
func NodePodName(name, nodeName string) string { return name + "-" + strings.ToLower(nodeName) }

// Parse reads a manifest file, YAML or JSON. file stands in pods, objects and problems and is not opened. A document with an
// error yields nothing. Parse never fails otherwise, and the same bytes give the same result.
func Parse(file string, data []byte, o Options) Result {
	s := &sink{file: file}
	var r Result
	documents(s, data, o, &r)
	r.Problems = s.sorted()
	return r
}

func documents(s *sink, data []byte, o Options, r *Result) {
	if !bounded(s, data) {
		return
	}
	docs := split(data, MaxDocuments+1)
	if len(docs) > MaxDocuments {
		s.add(Problem{Line: docs[MaxDocuments].line, Message: fmt.Sprintf("more than %d documents", MaxDocuments), Fix: "split the file"})
		return
	}
	filled := slices.DeleteFunc(slices.Clone(docs), func(d document) bool { return d.empty })
	if len(filled) == 0 {
		s.add(Problem{Line: 1, Message: "the file holds no document", Fix: "write a Pod, or remove the file to stop what ran from it"})
		return
	}
	if o.Mode == Kubelet {
		if docs[0].empty {
			s.add(Problem{Line: docs[0].line, Message: "the first document is empty, and a kubelet reads no other", Fix: "remove the --- above the Pod"})
			return
		}
		if n := len(filled) - 1; n > 0 {
			s.document = filled[1].number
			s.add(Problem{Line: filled[1].line, Message: fmt.Sprintf("a kubelet reads only the first document of a file; %d further ones are not run, this is the first of them", n), Fix: "give each pod a file of its own", Warning: true})
		}
		filled = filled[:1]
	}
	first := map[ObjectKey]int{}
	for _, d := range filled {
		s.document, s.errors, s.faulty = d.number, 0, map[string]bool{}
		kind, value, raw, at := open(s, d, o)
		key := ObjectKey{Kind: kind}
		var keep func()
		switch kind {
		case "":
			continue
		case "Pod":
			pod, ok := parsePod(s, value, raw, at, o)
			if !ok {
				continue
			}
			key.Namespace, key.Name, keep = pod.Namespace, pod.Name, func() { r.Pods = append(r.Pods, pod) }
		default:
			object, ok := parseObject(s, kind, value, raw, at, o)
			if !ok {
				continue
			}
			key, keep = object.Key(), func() { r.Objects = append(r.Objects, object) }
		}
		if line, taken := first[key]; taken {
			what := "the pod " + key.Namespace + "/" + key.Name
			if kind != "Pod" {
				what = "the " + key.String()
			}
			s.at(at.field("metadata").field("name"), fmt.Sprintf("%s stands in this file already, on line %d", what, line), "rename one, or remove it")
			continue
		}
		first[key] = at.line
		keep()
	}
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
		s.add(Problem{Message: fmt.Sprintf("the file may hold more than %d values", maxNodes), Fix: "split the file"})
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

// open reads a document as far as its kind, or adds to s why there is none.
func open(s *sink, d document, o Options) (kind string, value any, raw []byte, at place) {
	value, raw, at, duplicates, err := read(d)
	if err != nil {
		var p *placed
		if !errors.As(err, &p) {
			p = &placed{line: d.line, message: err.Error()}
		}
		s.add(Problem{Line: p.line, Column: p.col, Message: p.message, Fix: p.fix})
		return "", nil, nil, place{}
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
	return kindOf(s, value, at, o), value, raw, at
}

// decode holds a document's values against the type of into and decodes them. It is false if that could not be done.
func decode(s *sink, value any, raw []byte, at place, o Options, into any) bool {
	w := &walker{sink: s, opts: o, fields: map[reflect.Type]map[string]reflect.Type{}}
	w.walk(reflect.TypeOf(into).Elem(), value, at, "", true)
	if w.pruned {
		// What decoded into value encodes again.
		raw, _ = json.Marshal(value)
	}
	if _, err := kjson.UnmarshalStrict(raw, into, kjson.DisallowUnknownFields); err != nil {
		// The walk has reported this with its place; this is for what it may have missed. The error may hold a value.
		if s.errors == 0 {
			s.at(at, "the document cannot be decoded", "")
		}
		return false
	}
	return true
}

// parsePod gives the pod of one document, or adds to s why there is none.
func parsePod(s *sink, value any, raw []byte, at place, o Options) (Pod, bool) {
	spec := &corev1.Pod{}
	if !decode(s, value, raw, at, o, spec) {
		return Pod{}, false
	}
	setDefaults(spec, o.NodeName)
	validator{sink: s, opts: o}.pod(spec, at)
	if s.errors > 0 {
		return Pod{}, false
	}
	return Pod{File: s.file, Document: s.document, Namespace: spec.Namespace, Name: spec.Name, Hash: hashOf(value), Spec: spec}, true
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
