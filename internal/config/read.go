package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds what is walked after aliases and merges: a real config has a few hundred nodes, a YAML bomb billions.
const maxNodes = 10_000

var conditionNames = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,63}$`)

// reader lays files over a Config, one after the other, and keeps what it found wrong.
type reader struct {
	file     string
	nodes    int // walked in this file
	known    []string
	reasons  map[string][]string
	origins  map[string]Origin
	refused  map[string]bool // keys with a value that was not taken
	defaults map[string]reflect.Value
	problems []Problem
}

// entry is a key of a mapping and its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// read lays one file over the Config c.
func (r *reader) read(f SourceFile, c reflect.Value) {
	r.file, r.nodes = f.Path, 0
	root, bad := document(f)
	if bad != nil {
		r.problems = append(r.problems, *bad)
		return
	}
	if root == nil {
		return
	}
	if p := otherKind(f.Path, root); p != nil {
		r.problems = append(r.problems, *p)
		return
	}
	r.group(root, c, "")
	if r.nodes > maxNodes {
		r.problems = append(r.problems, Problem{
			File: f.Path, Message: fmt.Sprintf("has more than %d values once its aliases are followed", maxNodes),
			Fix: "write it without nested aliases",
		})
	}
}

// problem notes a fault at n.
func (r *reader) problem(n *yaml.Node, key, message, fix string) {
	r.problems = append(r.problems, Problem{r.file, n.Line, n.Column, key, message, fix})
}

// group lays the mapping n over the struct v.
func (r *reader) group(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	for _, e := range r.entries(n, path, names(v.Type())) {
		key := join(path, e.name)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.name })
		if i < 0 {
			r.unknownKey(e, path, v.Type())
			continue
		}
		switch f, fv := fields[i], v.Field(fields[i].index); f.typ.Kind() {
		case reflect.Struct:
			r.group(e.value, fv, key)
		case reflect.Map:
			r.named(e.value, fv, key, mapKeys[f.keys])
		default:
			r.leaf(e, f, fv, key)
		}
	}
}

// leaf sets one value.
func (r *reader) leaf(e entry, f field, v reflect.Value, key string) {
	def, ok := r.defaults[key]
	if !ok {
		def = reflect.Zero(f.typ)
	}
	value, bad := parseValue(target(e.value), f, def)
	if bad != nil {
		at := e.value
		if target(e.value).ShortTag() == "!!null" {
			at = e.key
		}
		r.problem(at, key, bad.message, bad.fix)
		r.refused[key] = true
		return
	}
	v.Set(value)
	r.origins[key] = Origin{r.file, e.key.Line, e.key.Column}
}

// keyKind is what the keys of a map are.
type keyKind struct {
	what    string // "a condition's name"
	names   *regexp.Regexp
	wrong   string // said of a key that is none
	fix     string
	isKnown bool // they are held against Options.KnownConditions
	keep    bool // an entry that says nothing is one all the same: its defaults are meant
}

var mapKeys = map[string]keyKind{
	"condition": {"a condition's name", conditionNames, "is not the name of a condition", "names are letters and digits, such as RuntimeReady", true, false},
	"count":     {"a condition's name", conditionNames, "is not the name of a condition", "names are letters and digits, such as RuntimeReady", true, true},
	"restart":   {"the name of a restart", restartNames, "is not the name of a restart", "give restart-runtime or restart-kubelet", false, false},
	"policy":    {"the name of a verdict", policyNames, "is not the name of a verdict", "names are 1 to 32 small letters, digits and dashes, such as vip", false, true},
}

var restartNames = regexp.MustCompile(`^restart-(runtime|kubelet)$`)

// policyNames are names of files in the verdict folder, which has one of its own called beat.
var policyNames = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// named lays the mapping n over the map v, whose keys are of one kind.
func (r *reader) named(n *yaml.Node, v reflect.Value, path string, kind keyKind) {
	for _, e := range r.entries(n, path, []string{kind.what}) {
		switch {
		case kind.isKnown && r.known != nil && !slices.Contains(r.known, e.name):
			fix := "nodeagent status lists the names"
			if near := nearest(e.name, r.known); near != "" {
				fix = "did you mean " + near + "?"
			}
			r.problem(e.key, join(path, e.name), "no condition has this name", fix)
			continue
		case !kind.names.MatchString(e.name), kind.what == mapKeys["policy"].what && e.name == "beat":
			r.problem(e.key, join(path, e.name), kind.wrong, kind.fix)
			continue
		}
		one := reflect.New(v.Type().Elem()).Elem()
		name := reflect.ValueOf(e.name)
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		if old := v.MapIndex(name); old.IsValid() {
			one.Set(old)
		}
		r.group(e.value, one, join(path, e.name))
		if c, ok := one.Interface().(Count); ok {
			r.faults(e, join(path, e.name), c.Fault)
		}
		if kind.keep || !one.IsZero() {
			v.SetMapIndex(name, one)
		}
	}
	if v.Len() == 0 {
		v.SetZero()
	}
}

// faults holds the reasons of a count against those that its condition has: one that it never has would never be FAULT.
func (r *reader) faults(e entry, path string, reasons []string) {
	known, ok := r.reasons[e.name]
	for _, reason := range reasons {
		if !ok || slices.Contains(known, reason) {
			continue
		}
		fix := "it has " + strings.Join(known, ", ")
		if near := nearest(reason, known); near != "" {
			fix = "did you mean " + near + "?"
		}
		r.problem(e.value, join(path, "fault"), e.name+" has no reason "+shown(reason), fix)
	}
}

// unknownKey explains a key that the struct t does not have.
func (r *reader) unknownKey(e entry, path string, t reflect.Type) {
	fix := "keys here are " + strings.Join(names(t), ", ")
	if path == "" { // too many to list
		fix = "nodeagent config print lists all keys"
	}
	if near := nearest(e.name, names(t)); near != "" {
		fix = "did you mean " + near + "?"
	} else if others := elsewhere(e.name, path); len(others) > 0 {
		fix = "did you mean " + strings.Join(others, " or ") + "?"
	}
	r.problem(e.key, join(path, e.name), "unknown key", fix)
}

// entries lists a mapping's keys in order, then those that it merges in with <<. Repeated keys are faults.
func (r *reader) entries(n *yaml.Node, path string, wanted []string) []entry {
	at, n := n, target(n)
	if r.nodes++; r.nodes > maxNodes {
		return nil
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil // "staticPods:" with every key below it commented out
	}
	if n.Kind != yaml.MappingNode {
		what := kindName(n)
		if n.Kind == yaml.ScalarNode {
			what = shown(n.Value)
		}
		fix := "give keys below it: " + strings.Join(wanted, ", ")
		if path == "" {
			fix = "give keys, each on a line, such as syncFrequency: 1m"
		}
		r.problem(at, path, "is "+what+", not a group of keys", fix)
		return nil
	}
	var list []entry
	var merged []*yaml.Node
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if r.nodes++; r.nodes > maxNodes {
			return nil
		}
		key, value := n.Content[i], n.Content[i+1]
		name := target(key)
		switch {
		case name.ShortTag() == "!!merge":
			merged = append(merged, value)
		case name.Kind != yaml.ScalarNode:
			r.problem(key, path, "a key is "+kindName(name), "a key is a plain word")
		case seen[name.Value] > 0:
			r.problem(key, join(path, name.Value), fmt.Sprintf("is given twice, first on line %d", seen[name.Value]), "keep one of the two")
		default:
			seen[name.Value] = key.Line
			list = append(list, entry{name.Value, key, value})
		}
	}
	for _, m := range merged {
		sources := []*yaml.Node{m}
		if target(m).Kind == yaml.SequenceNode {
			sources = target(m).Content
		}
		for _, s := range sources {
			if target(s).Kind != yaml.MappingNode {
				r.problem(s, path, "<< takes another group of keys", "give an alias of one, such as <<: *name")
				continue
			}
			for _, e := range r.entries(s, path, wanted) {
				if seen[e.name] == 0 {
					seen[e.name] = e.key.Line
					list = append(list, e)
				}
			}
		}
	}
	return list
}

// target follows an alias; an alias of an alias cannot be written in YAML.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// otherKind recognises a Kubernetes object, KubeletConfiguration above all: most of its keys mean nothing here, and one
// answer is better than fifty unknown keys.
func otherKind(file string, root *yaml.Node) *Problem {
	var kind, at *yaml.Node
	var shared []string
	ours := fieldsOf(reflect.TypeFor[Config]())
	if root.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		switch {
		case k.Value == "kind":
			kind, at = v, k
		case k.Value == "apiVersion" && at == nil:
			at = k
		case slices.ContainsFunc(ours, func(f field) bool { return f.name == k.Value && f.typ.Kind() != reflect.Map }):
			shared = append(shared, k.Value)
		}
	}
	switch {
	case at == nil:
		return nil
	case kind == nil || kind.Value != "KubeletConfiguration":
		what := "a Kubernetes object"
		if kind != nil && kind.Kind == yaml.ScalarNode {
			what = "a Kubernetes object of kind " + shown(kind.Value)
		}
		return &Problem{file, at.Line, at.Column, at.Value, "this is " + what + ", not nodeagent's configuration",
			"a config has no apiVersion and no kind; manifests of pods belong in the folder staticPodPath"}
	}
	fix := "no key of it is one of nodeagent's; nodeagent config print lists those"
	if len(shared) > 0 {
		slices.Sort(shared)
		fix = "of its keys nodeagent knows " + strings.Join(slices.Compact(shared), ", ") + "; keep what must differ from the default, remove the rest"
	}
	return &Problem{file, at.Line, at.Column, at.Value, "this is kubelet's configuration, which nodeagent finds and reads by itself", fix}
}
