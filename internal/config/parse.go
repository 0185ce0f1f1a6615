package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFile is far above any real file, and low enough that a wrong one (a log, an image) costs nothing.
const maxFile = 1 << 20

// SourceFile is one config file as it was read.
type SourceFile struct {
	Path string
	Data []byte
}

// Options says what to read.
type Options struct {
	File            string   // main file; empty: none
	Explicit        bool     // a person named File: then it must exist
	Dir             string   // folder of further *.yaml files, read after File in lexical order; empty: none
	KnownConditions []string // names allowed below conditions; nil: any that looks like one
	// Reasons of each condition, for keepalive.policies.*.counts.*.fault; nil: any that looks like one.
	KnownReasons map[string][]string
}

// Origin is where a value comes from. The zero Origin is the default.
type Origin struct {
	File         string
	Line, Column int
}

// String is file:line, or "default".
func (o Origin) String() string {
	if o.File == "" {
		return "default"
	}
	return fmt.Sprintf("%s:%d", printable(o.File), o.Line)
}

// Loaded is an accepted configuration.
type Loaded struct {
	Config  Config
	Origins map[string]Origin // by dotted key; every key that has a value
	Raw     []SourceFile      // what it was read from, in that order
	Ignored []string          // files of Options.Dir that were not read: folders and names not ending in .yaml; dotfiles are left out
}

// Parse reads files in order; in each key, the later file wins. An empty list gives the defaults. The error is an
// *Error with every fault of every file.
func Parse(files []SourceFile, o Options) (*Loaded, error) {
	l, problems := parse(files, o)
	if err := refusal(problems, files); err != nil {
		return nil, err
	}
	return l, nil
}

func parse(files []SourceFile, o Options) (*Loaded, []Problem) {
	c := declared()
	r := reader{
		known:    o.KnownConditions,
		reasons:  o.KnownReasons,
		origins:  make(map[string]Origin),
		refused:  make(map[string]bool),
		defaults: make(map[string]reflect.Value),
	}
	for _, l := range leaves(declared()) {
		r.defaults[l.key] = l.value
	}
	for _, f := range files {
		r.read(f, reflect.ValueOf(&c).Elem())
	}
	resolve(&c)
	r.problems = append(r.problems, crossCheck(c, r.origins, r.refused)...)
	for _, l := range leaves(c) {
		if _, set := r.origins[l.key]; !set {
			r.origins[l.key] = Origin{}
		}
	}
	return &Loaded{Config: c, Origins: r.origins, Raw: files}, r.problems
}

// document reads the one YAML document of a file; nil if it is empty.
func document(f SourceFile) (*yaml.Node, *Problem) {
	switch {
	case len(f.Data) > maxFile:
		return nil, &Problem{File: f.Path, Message: "is larger than 1 MiB", Fix: "is it the right file? A config has a few KiB"}
	case !utf8.Valid(f.Data):
		line, column := firstInvalid(f.Data)
		return nil, &Problem{File: f.Path, Line: line, Column: column, Message: "is not UTF-8 text", Fix: "save the file as UTF-8"}
	}
	d := yaml.NewDecoder(bytes.NewReader(f.Data))
	var first, second yaml.Node
	if err := d.Decode(&first); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxProblem(f, err)
	}
	if err := d.Decode(&second); err == nil {
		return nil, &Problem{
			File: f.Path, Line: second.Line, Column: second.Column,
			Message: "a second YAML document begins here",
			Fix:     "keep one document a file; remove the '---', or move this part to a file of config.d",
		}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(f, err)
	}
	return first.Content[0], nil
}

// firstInvalid is the place of the first byte that is no UTF-8.
func firstInvalid(data []byte) (line, column int) {
	line, column = 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			return line, column
		case r == '\n':
			line, column = line+1, 1
		default:
			column++
		}
		data = data[n:]
	}
	return line, column
}
