package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
)

// field is one key of a struct, read off its tags.
type field struct {
	index   int
	name    string
	typ     reflect.Type
	form    string   // a named check of forms
	oneof   []string // the values allowed
	span    [2]string
	keys    string // of a map: what its keys are (see mapKeys)
	restart bool
}

// fieldsOf lists the keys of a struct type in its own order.
func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{
			index:   i,
			name:    sf.Tag.Get("yaml"),
			typ:     sf.Type,
			form:    sf.Tag.Get("form"),
			keys:    sf.Tag.Get("keys"),
			restart: sf.Tag.Get("reload") == "restart",
		}
		if s := sf.Tag.Get("oneof"); s != "" {
			f.oneof = strings.Split(s, "|")
		}
		f.span[0], f.span[1], _ = strings.Cut(sf.Tag.Get("range"), "..")
		fields = append(fields, f)
	}
	return fields
}

// names lists the keys of a struct type.
func names(t reflect.Type) []string {
	var list []string
	for _, f := range fieldsOf(t) {
		list = append(list, f.name)
	}
	return list
}

// join makes a dotted key.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// leaf is one value of a Config.
type leaf struct {
	key     string
	value   reflect.Value
	restart bool
	entry   bool // of a map, which sets nothing: its being there is all that it says
}

// leaves lists every value of c in the struct's order. Of the conditions, only what is set.
func leaves(c Config) []leaf { return appendLeaves(nil, reflect.ValueOf(c), "", false) }

func appendLeaves(list []leaf, v reflect.Value, path string, restart bool) []leaf {
	for _, f := range fieldsOf(v.Type()) {
		fv, key, restart := v.Field(f.index), join(path, f.name), restart || f.restart
		switch f.typ.Kind() {
		case reflect.Struct:
			list = appendLeaves(list, fv, key, restart)
		case reflect.Map:
			for _, name := range mapNames(fv) {
				one := fv.MapIndex(reflect.ValueOf(name))
				if one.IsZero() {
					list = append(list, leaf{join(key, name), one, restart, true})
				}
				for _, l := range appendLeaves(nil, one, join(key, name), restart) {
					if l.entry || !l.value.IsZero() {
						list = append(list, l)
					}
				}
			}
		default:
			list = append(list, leaf{key, fv, restart, false})
		}
	}
	return list
}

// mapNames are the sorted keys of a map.
func mapNames(m reflect.Value) []string {
	var list []string
	for _, k := range m.MapKeys() {
		list = append(list, k.String())
	}
	slices.Sort(list)
	return list
}

// elsewhere finds the dotted keys whose last part is name (in any case) and that are not at path.
func elsewhere(name, path string) []string {
	var found []string
	var walk func(t reflect.Type, at string)
	walk = func(t reflect.Type, at string) {
		for _, f := range fieldsOf(t) {
			key := join(at, f.name)
			if at != path && strings.EqualFold(f.name, name) {
				found = append(found, key)
			}
			switch f.typ.Kind() {
			case reflect.Struct:
				walk(f.typ, key)
			case reflect.Map:
				walk(f.typ.Elem(), key+".NAME")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return found
}
