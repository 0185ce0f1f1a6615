package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"go.yaml.in/yaml/v3"
)

// node is a document's shape with positions. It holds no values: those come from the decoder that a kubelet uses too.
type node struct {
	line, col int
	literal   bool             // a block scalar: its text begins on the next line
	entries   []entry          // of a mapping, in the order written
	byKey     map[string]entry // of a mapping; the first of equal keys, merged mappings included
	items     []*node          // of a sequence
}

type entry struct {
	key       string
	line, col int // of the key
	value     *node
}

// place is where a value of a document stands: its path, and the nearest node that was written. A field that is not there
// has the position of what should hold it.
type place struct {
	path      string
	node      *node
	key       entry // the key in front of the value; its line is 0 when there is none
	line, col int
}

func root(n *node) place { return place{node: n, line: n.line, col: n.col} }

func (p place) field(name string) place {
	path := pathKey(name)
	if p.path != "" {
		path = p.path + "." + path
	}
	if p.node != nil {
		if e, ok := p.node.byKey[name]; ok {
			return place{path: path, node: e.value, key: e, line: e.value.line, col: e.value.col}
		}
	}
	return place{path: path, line: p.line, col: p.col}
}

func (p place) index(i int) place {
	path := fmt.Sprintf("%s[%d]", p.path, i)
	if p.node != nil && i < len(p.node.items) {
		n := p.node.items[i]
		return place{path: path, node: n, line: n.line, col: n.col}
	}
	return place{path: path, line: p.line, col: p.col}
}

// atKey is the place of the key instead of the value, for faults that lie in the key.
func (p place) atKey() place {
	if p.key.line > 0 {
		p.line, p.col = p.key.line, p.key.col
	}
	return p
}

// pathTo gives the place of target below p.
func (p place) pathTo(target *node) (place, bool) {
	if p.node == target {
		return p, true
	}
	if p.node == nil {
		return p, false
	}
	for _, e := range p.node.entries {
		if found, ok := p.field(e.key).pathTo(target); ok {
			return found, true
		}
	}
	for i := range p.node.items {
		if found, ok := p.index(i).pathTo(target); ok {
			return found, true
		}
	}
	return p, false
}

// duplicate is a key that is written twice in one mapping.
type duplicate struct {
	in              *node
	key             string
	line, col, prev int
}

// placed is an error with a position.
type placed struct {
	line, col    int
	message, fix string
}

func (e *placed) Error() string { return e.message }

// yamlTree builds the shape of a YAML document whose first line is line base+1 of the file.
func yamlTree(doc *yaml.Node, base int) (*node, []duplicate, error) {
	b := yamlBuilder{base: base, done: map[*yaml.Node]*node{}, sizes: map[*yaml.Node]int{}}
	if doc.Kind == yaml.DocumentNode {
		if len(doc.Content) == 0 {
			return &node{line: base + 1, col: 1}, nil, nil
		}
		doc = doc.Content[0]
	}
	written, expanded, err := b.size(doc, 1)
	if err != nil {
		return nil, nil, err
	}
	if expanded-written > maxAliasBytes {
		return nil, nil, b.fail(doc, fmt.Sprintf("the aliases of this document expand to more than %d KiB", maxAliasBytes>>10), "write the parts out")
	}
	n, err := b.build(doc)
	return n, b.duplicates, err
}

type yamlBuilder struct {
	base       int
	done       map[*yaml.Node]*node
	sizes      map[*yaml.Node]int // bytes of each complete node, expanded
	duplicates []duplicate
}

func (b *yamlBuilder) fail(y *yaml.Node, message, fix string) error {
	return &placed{line: b.base + y.Line, col: y.Column, message: message, fix: fix}
}

func (b *yamlBuilder) build(y *yaml.Node) (*node, error) {
	for y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if n, ok := b.done[y]; ok {
		return n, nil
	}
	n := &node{line: b.base + y.Line, col: y.Column, literal: y.Style&yaml.LiteralStyle != 0}
	switch y.Kind {
	case yaml.SequenceNode:
		n.items = make([]*node, 0, len(y.Content))
		for _, item := range y.Content {
			i, err := b.build(item)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, i)
		}
	case yaml.MappingNode:
		if err := b.mapping(n, y); err != nil {
			return nil, err
		}
	}
	b.done[y] = n
	return n, nil
}

func (b *yamlBuilder) mapping(n *node, y *yaml.Node) error {
	n.byKey = make(map[string]entry, len(y.Content)/2)
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		written := y.Content[i]
		key := written
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" || key.ShortTag() == "!!binary" {
			return b.fail(written, "a key must be a string", "quote it, or check the indentation")
		}
		v, err := b.build(y.Content[i+1])
		if err != nil {
			return err
		}
		if key.ShortTag() == "!!merge" {
			if v.items == nil {
				merged = append(merged, v)
			}
			merged = append(merged, v.items...)
			continue
		}
		e := entry{key: key.Value, line: b.base + written.Line, col: written.Column, value: v}
		if first, ok := n.byKey[e.key]; ok {
			b.duplicates = append(b.duplicates, duplicate{in: n, key: e.key, line: e.line, col: e.col, prev: first.line})
			continue
		}
		n.byKey[e.key] = e
		n.entries = append(n.entries, e)
	}
	// Merged keys count only where the mapping has none of its own; they cost what they expand to, like any alias.
	for _, m := range merged {
		for k, e := range m.byKey {
			if _, ok := n.byKey[k]; !ok {
				n.byKey[k] = e
			}
		}
	}
	return nil
}

// size gives the bytes of a document as written and with every alias expanded, counting 8 for each node, and refuses
// loops and deep nesting. It comes before anything that follows aliases.
func (b *yamlBuilder) size(y *yaml.Node, depth int) (written, expanded int, err error) {
	if y.Kind == yaml.AliasNode {
		target, ok := b.sizes[y.Alias]
		if !ok {
			// An anchor stands before its aliases, so its node is complete unless it is around this alias.
			return 0, 0, b.fail(y, "an alias to "+quoted(y.Value)+" inside "+quoted(y.Value)+" itself", "write the part out")
		}
		return 8, target, nil
	}
	if depth > maxDepth {
		return 0, 0, b.fail(y, tooDeep, tooDeepFix)
	}
	written, expanded = 8+len(y.Value), 8+len(y.Value)
	for _, c := range y.Content {
		w, e, err := b.size(c, depth+1)
		if err != nil {
			return 0, 0, err
		}
		written += w
		// Saturate: a bomb's true size overflows.
		expanded = min(expanded+e, 1<<40)
	}
	b.sizes[y] = expanded
	return written, expanded, nil
}

// jsonTree builds the shape of a JSON document that encoding/json found valid, beginning on line base+1 of the file.
func jsonTree(data []byte, base int) (*node, []duplicate, error) {
	b := jsonBuilder{data: data, dec: json.NewDecoder(bytes.NewReader(data)), base: base, lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			b.lines = append(b.lines, i+1)
		}
	}
	n, err := b.value(1)
	return n, b.duplicates, err
}

type jsonBuilder struct {
	data       []byte
	dec        *json.Decoder
	base       int
	lines      []int // offsets at which lines begin
	duplicates []duplicate
}

func (b *jsonBuilder) next() (tok json.Token, line, col int, err error) {
	at := int(b.dec.InputOffset())
	for at < len(b.data) && bytes.IndexByte([]byte(" \t\r\n,:"), b.data[at]) >= 0 {
		at++
	}
	i := sort.SearchInts(b.lines, at+1) - 1
	tok, err = b.dec.Token()
	return tok, b.base + i + 1, at - b.lines[i] + 1, err
}

func (b *jsonBuilder) value(depth int) (*node, error) {
	tok, line, col, err := b.next()
	if err != nil {
		return nil, err
	}
	n := &node{line: line, col: col}
	open, ok := tok.(json.Delim)
	if !ok {
		return n, nil
	}
	if depth > maxDepth {
		return nil, &placed{line: line, col: col, message: tooDeep, fix: tooDeepFix}
	}
	if open == '{' {
		n.byKey = map[string]entry{}
	}
	for b.dec.More() {
		e := entry{}
		if open == '{' {
			tok, line, col, err := b.next()
			if err != nil {
				return nil, err
			}
			key, ok := tok.(string)
			if !ok {
				return nil, errors.New("a key must be a string")
			}
			e = entry{key: key, line: line, col: col}
		}
		if e.value, err = b.value(depth + 1); err != nil {
			return nil, err
		}
		if open == '[' {
			n.items = append(n.items, e.value)
			continue
		}
		if first, ok := n.byKey[e.key]; ok {
			b.duplicates = append(b.duplicates, duplicate{in: n, key: e.key, line: e.line, col: e.col, prev: first.line})
			continue
		}
		n.byKey[e.key] = e
		n.entries = append(n.entries, e)
	}
	_, err = b.dec.Token()
	return n, err
}
