package config

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

const (
	printWidth = 100 // of a line with its comment
	valueWidth = 52  // up to here values move the column of the comments
)

// Print writes the effective configuration as YAML, each value with where it comes from. Parse reads it back as the
// same Config.
func Print(w io.Writer, l *Loaded) error {
	p := printer{origins: l.Origins}
	p.group(reflect.ValueOf(l.Config), "", "")
	var b bytes.Buffer
	p.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}

type printer struct {
	origins map[string]Origin
	lines   []printed
}

type printed struct{ indent, text, origin string }

func (p *printer) group(v reflect.Value, path, indent string) {
	for _, f := range fieldsOf(v.Type()) {
		fv, key := v.Field(f.index), join(path, f.name)
		switch {
		case f.typ.Kind() == reflect.Struct:
			p.lines = append(p.lines, printed{indent, f.name + ":", ""})
			p.group(fv, key, indent+"  ")
		case f.typ.Kind() == reflect.Map && fv.Len() == 0:
			p.lines = append(p.lines, printed{indent, f.name + ": {}", Origin{}.String()})
		case f.typ.Kind() == reflect.Map:
			p.lines = append(p.lines, printed{indent, f.name + ":", ""})
			p.entries(fv, key, indent+"  ")
		default:
			p.leaf(f, fv, key, indent)
		}
	}
}

// set prints the fields of v that are set.
func (p *printer) set(v reflect.Value, path, indent string) {
	for _, f := range fieldsOf(v.Type()) {
		switch fv, key := v.Field(f.index), join(path, f.name); {
		case fv.IsZero():
		case f.typ.Kind() == reflect.Map:
			p.lines = append(p.lines, printed{indent, f.name + ":", ""})
			p.entries(fv, key, indent+"  ")
		default:
			p.leaf(f, fv, key, indent)
		}
	}
}

// entries prints a map.
func (p *printer) entries(v reflect.Value, path, indent string) {
	for _, name := range mapNames(v) {
		if v.MapIndex(reflect.ValueOf(name)).IsZero() {
			p.lines = append(p.lines, printed{indent, quoted(name) + ": {}", ""})
			continue
		}
		p.lines = append(p.lines, printed{indent, quoted(name) + ":", ""})
		p.set(v.MapIndex(reflect.ValueOf(name)), join(path, name), indent+"  ")
	}
}

func (p *printer) leaf(f field, v reflect.Value, key, indent string) {
	p.lines = append(p.lines, printed{indent, f.name + ": " + format(v), p.origins[key].String()})
}

// write puts the comments in one column. A value too long for it pushes its own comment out, and a comment that would
// leave the page goes above its line.
func (p *printer) write(b *bytes.Buffer) {
	column := 0
	for _, l := range p.lines {
		if n := utf8.RuneCountInString(l.indent + l.text); l.origin != "" && n <= valueWidth {
			column = max(column, n)
		}
	}
	for _, l := range p.lines {
		line, comment := l.indent+l.text, "# "+l.origin
		if n := utf8.RuneCountInString(line); l.origin == "" {
			b.WriteString(line + "\n")
		} else if n = max(n, column) - n + 2; utf8.RuneCountInString(line+comment)+n <= printWidth {
			b.WriteString(line + strings.Repeat(" ", n) + comment + "\n")
		} else {
			b.WriteString(l.indent + comment + "\n" + line + "\n")
		}
	}
}
