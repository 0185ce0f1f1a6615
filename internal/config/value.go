package config

import (
	"cmp"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// fault is what is wrong with one value and what would be right.
type fault struct{ message, fix string }

// parseValue reads the node of key f, whose default is def, into a value of the field's type.
func parseValue(n *yaml.Node, f field, def reflect.Value) (reflect.Value, *fault) {
	none := reflect.Value{}
	if f.typ.Kind() == reflect.Slice {
		return parseList(n, f)
	}
	if n.Kind != yaml.ScalarNode {
		return none, &fault{"is " + kindName(n), "give " + wants(f, def)}
	}
	tag := n.ShortTag()
	if tag == "!!null" {
		return none, &fault{"has no value", "give " + wants(f, def) + ", or remove the line to keep the default"}
	}
	if f.typ.Kind() == reflect.String {
		s, bad := checkString(n.Value, f, def)
		if bad == nil && tag != "!!str" {
			bad = &fault{bare(n.Value) + " is " + kindName(n) + ", not text", "put it in quotes: " + shown(n.Value)}
		}
		return reflect.ValueOf(s), bad
	}
	v, ok := parseText(f.typ, n.Value)
	if !ok || !tagFits(tag, f.typ) {
		return none, notThat(n, f, def)
	}
	if f.span[0] != "" {
		low, _ := parseText(f.typ, f.span[0])
		high, _ := parseText(f.typ, f.span[1])
		var how string
		switch {
		case negative(v) && !negative(low):
			how = " is negative"
		case compare(v, low) < 0:
			how = " is less than " + f.span[0]
		case compare(v, high) > 0:
			how = " is more than " + f.span[1]
		}
		if how != "" {
			return none, &fault{bare(n.Value) + how, "give " + wants(f, def)}
		}
	}
	return v, nil
}

// maxList bounds a list of texts.
const maxList = 64

// parseList reads a list of texts. One text alone is no list: what is meant by a comma in it can't be known.
func parseList(n *yaml.Node, f field) (reflect.Value, *fault) {
	want := "give a list, such as [...], of " + wants(f, reflect.Value{})
	if n.Kind != yaml.SequenceNode {
		return reflect.Value{}, &fault{"is " + kindName(n), want}
	}
	if len(n.Content) > maxList {
		return reflect.Value{}, &fault{"has " + strconv.Itoa(len(n.Content)) + " entries", "give at most " + strconv.Itoa(maxList)}
	}
	list := reflect.MakeSlice(f.typ, 0, len(n.Content))
	for _, x := range n.Content {
		x = target(x)
		if x.Kind != yaml.ScalarNode || x.ShortTag() != "!!str" || x.Value == "" {
			return reflect.Value{}, &fault{"has an entry that is " + kindName(x), want}
		}
		s, bad := checkString(x.Value, f, reflect.ValueOf(""))
		if bad != nil {
			return reflect.Value{}, bad
		}
		list = reflect.Append(list, reflect.ValueOf(s))
	}
	if list.Len() == 0 {
		return reflect.Zero(f.typ), nil
	}
	return list, nil
}

// checkString holds a string against its form or its closed set.
func checkString(s string, f field, def reflect.Value) (string, *fault) {
	if s == "" {
		if def.String() == "" {
			return "", nil
		}
		return "", &fault{"is empty", "give " + wants(f, def) + ", or remove the line to keep the default"}
	}
	if f.oneof != nil {
		if slices.Contains(f.oneof, s) {
			return s, nil
		}
		fix := "give " + wants(f, def)
		if near := nearest(s, f.oneof); near != "" {
			fix = "did you mean " + near + "? It is one of " + strings.Join(f.oneof, ", ")
		}
		return "", &fault{shown(s) + " is not known", fix}
	}
	return forms[f.form].check(s)
}

// notThat explains a scalar that is of another type than the key's.
func notThat(n *yaml.Node, f field, def reflect.Value) *fault {
	if f.typ == durationType {
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return &fault{bare(n.Value) + " has no unit", "give " + wants(f, def)}
		}
	}
	if text := n.ShortTag() == "!!str"; text && f.typ != durationType && f.typ != sizeType {
		if _, ok := parseText(f.typ, n.Value); ok {
			return &fault{shown(n.Value) + " is text", "remove the quotes"}
		}
	}
	if typeName(f.typ) == truth {
		return &fault{shown(n.Value) + " is " + kindName(n), "give " + truth}
	}
	return &fault{shown(n.Value) + " is not " + typeName(f.typ), "give " + wants(f, def)}
}

// parseText reads the text of a value that is not a string.
func parseText(t reflect.Type, text string) (reflect.Value, bool) {
	switch {
	case t == durationType:
		d, err := time.ParseDuration(text)
		return reflect.ValueOf(d), err == nil
	case t == sizeType:
		s, ok := parseSize(text)
		return reflect.ValueOf(s), ok
	case t.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		return reflect.ValueOf(x), err == nil && !math.IsInf(x, 0) && !math.IsNaN(x)
	case t.Kind() == reflect.Int:
		i, err := strconv.Atoi(text)
		return reflect.ValueOf(i), err == nil
	case t.Kind() == reflect.Bool:
		return reflect.ValueOf(text == "true"), text == "true" || text == "false"
	case t.Kind() == reflect.Pointer:
		v, ok := parseText(t.Elem(), text)
		p := reflect.New(t.Elem())
		if ok {
			p.Elem().Set(v)
		}
		return p, ok
	}
	panic("config: no parser for " + t.String())
}

// tagFits says whether a scalar of this YAML type may stand for t. Durations and sizes are text to YAML; a plain number
// is a size in bytes, and a duration of "0" has no unit.
func tagFits(tag string, t reflect.Type) bool {
	switch {
	case t == durationType:
		return tag == "!!str"
	case t == sizeType:
		return tag == "!!str" || tag == "!!int"
	case t.Kind() == reflect.Float64:
		return tag == "!!int" || tag == "!!float"
	case t.Kind() == reflect.Int:
		return tag == "!!int"
	}
	return tag == "!!bool"
}

func negative(v reflect.Value) bool { return compare(v, reflect.Zero(v.Type())) < 0 }

func compare(a, b reflect.Value) int {
	if a.CanFloat() {
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(a.Int(), b.Int())
}

// wants says what a right value of f looks like.
func wants(f field, def reflect.Value) string {
	if f.oneof != nil {
		return "one of " + strings.Join(f.oneof, ", ")
	}
	if f.form != "" {
		return forms[f.form].wants
	}
	s := typeName(f.typ)
	if f.span[0] != "" {
		s += " from " + f.span[0] + " to " + f.span[1]
	}
	if def.IsValid() && !def.IsZero() && (f.typ == durationType || f.typ == sizeType) {
		s += ", such as " + format(def)
	}
	return s
}

func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration"
	case t == sizeType:
		return "a size"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "keys below it"
	}
	return truth
}

const truth = "true or false"

// kindName says what a node is, in a person's words.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return truth
	case "!!timestamp":
		return "a date"
	case "!!str":
		return "text"
	}
	return "of type " + shown(n.ShortTag())
}

// format writes a value as YAML that parseValue reads back as the same.
func format(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return quoted(v.String())
	case reflect.Pointer:
		return format(v.Elem())
	case reflect.Slice:
		var list []string
		for i := range v.Len() {
			list = append(list, format(v.Index(i)))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return shortDuration(x)
	case Size:
		return x.String()
	}
	return strconv.FormatInt(v.Int(), 10)
}

// shortDuration drops the zero parts that time.Duration.String keeps: 1m, not 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// plain matches what every YAML reader, also one of version 1.1, takes for text without quotes.
var plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/_.:-]*[A-Za-z0-9/_]$`)

// quoted writes a string so that it reads back as that string. The escapes of strconv.Quote are YAML's too; for bytes
// that are no UTF-8 they would not be, but such files are refused.
func quoted(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off":
		return strconv.Quote(s)
	}
	if plain.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}
