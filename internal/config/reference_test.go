package config

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of this package")

const referenceHead = `## Configuration of nodeagent. Every key is here with its default; to change one, remove its "# "
## (the space too) and that of the group it is in. Files in config.d, named *.yaml, are read after
## this one, in the order of their names, and win key by key. Durations: 500ms, 20s, 2m, 1h30m.
## "nodeagent config check" looks for faults, "nodeagent config print" shows what holds and where it
## was set, "nodeagent reload" takes a change over. A key that needs a restart says so.
`

// TestReference renders the file from the struct's comments, tags and defaults and compares it with the one shipped.
// go test ./internal/config -run TestReference -update writes it.
func TestReference(t *testing.T) {
	want := renderReference(t)
	if *update {
		if err := os.WriteFile("reference.yaml", want, 0o644); err != nil {
			t.Fatal(err)
		}
		reference = want
	}
	if got := Reference(); !bytes.Equal(got, want) {
		t.Errorf("reference.yaml is not what the code says; run: go test ./internal/config -run TestReference -update\n%s", diff(string(want), string(got)))
	}
}

// TestReferenceIsTheDefault takes the comment signs off and reads the file: same values, every key present.
func TestReferenceIsTheDefault(t *testing.T) {
	var b strings.Builder
	for line := range strings.Lines(string(Reference())) {
		switch {
		case strings.HasPrefix(line, "## "):
		case strings.HasPrefix(line, "# "):
			b.WriteString(line[2:])
		case line != "\n":
			t.Errorf("a line is neither prose nor a default: %q", line)
		}
	}
	l, err := Parse([]SourceFile{{"reference.yaml", []byte(b.String())}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l.Config, Default()) {
		t.Errorf("got %+v, want %+v", l.Config, Default())
	}
	for _, leaf := range leaves(Default()) {
		if l.Origins[leaf.key].File == "" {
			t.Errorf("%s is not in the file", leaf.key)
		}
	}
	for _, name := range names(reflect.TypeFor[Condition]()) {
		if !bytes.Contains(Reference(), []byte("##   "+name+": ")) {
			t.Errorf("conditions: %s is not in the file", name)
		}
	}
	if l, err := Parse([]SourceFile{{"reference.yaml", Reference()}}, Options{}); err != nil || !reflect.DeepEqual(l.Config, Default()) {
		t.Errorf("as shipped: %v", err)
	}
}

// entryOf is the first line about one key that entries of a map take.
var entryOf = regexp.MustCompile(`^##  +[a-zA-Z]+: `)

func TestReferenceIsReadable(t *testing.T) {
	prose := 0
	for line := range strings.Lines(string(Reference())) {
		if len(line) > 101 {
			t.Errorf("longer than 100 columns: %s", line)
		}
		if prose++; !strings.HasPrefix(line, "## ") {
			prose = 0
		}
		switch {
		case strings.Contains(line, "Configuration of nodeagent"), strings.Contains(line, "Tuning by condition"):
			prose = -6 // the head, and a group whose keys are not lines of their own
		case entryOf.MatchString(line):
			prose = 1 // what an entry takes begins
		}
		if prose > 2 {
			t.Errorf("more than two lines of prose: %s", line)
		}
	}
}

func renderReference(t *testing.T) []byte {
	t.Helper()
	docs := fieldDocs(t)
	var b bytes.Buffer
	b.WriteString(referenceHead)
	var group func(v reflect.Value, indent string, restart bool)
	group = func(v reflect.Value, indent string, restart bool) {
		for i, f := range fieldsOf(v.Type()) {
			doc := docs[v.Type().Name()+"."+v.Type().Field(i).Name]
			if doc == "" {
				t.Errorf("%s.%s has no comment", v.Type().Name(), f.name)
			}
			doc, colon := strings.CutSuffix(doc, ":")
			if f.span[0] != "" {
				doc += " From " + f.span[0] + " to " + f.span[1] + "."
			}
			if f.restart && !restart {
				doc += " Needs a restart."
			}
			if colon {
				doc += ":"
			}
			if indent == "" {
				b.WriteString("\n")
			}
			writeProse(&b, "## "+indent, doc)
			switch fv := v.Field(i); f.typ.Kind() {
			case reflect.Struct:
				b.WriteString("# " + indent + f.name + ":\n")
				group(fv, indent+"  ", restart || f.restart)
			case reflect.Map:
				writeEntry(&b, docs, f.typ.Elem(), indent+"  ")
				b.WriteString("# " + indent + f.name + ": {}\n")
			default:
				b.WriteString("# " + indent + f.name + ": " + format(fv) + "\n")
			}
		}
	}
	group(reflect.ValueOf(declared()), "", false)
	return b.Bytes()
}

// writeEntry says what an entry of a map takes.
func writeEntry(b *bytes.Buffer, docs map[string]string, t reflect.Type, indent string) {
	for j, f := range fieldsOf(t) {
		doc := docs[t.Name()+"."+t.Field(j).Name]
		if f.span[0] != "" {
			doc += " From " + f.span[0] + " to " + f.span[1] + "."
		}
		writeProse(b, "## "+indent, f.name+": "+doc)
		if f.typ.Kind() == reflect.Map {
			writeEntry(b, docs, f.typ.Elem(), indent+"  ")
		}
	}
}

func writeProse(b *bytes.Buffer, prefix, text string) {
	line := prefix
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 100 && line != prefix {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = prefix
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// fieldDocs reads the comment of each struct field of this package.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	docs := make(map[string]string)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		addDocs(docs, file)
	}
	return docs
}

func addDocs(docs map[string]string, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				if len(f.Names) == 0 {
					continue
				}
				docs[spec.Name.Name+"."+f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		return false
	})
}

// diff shows the first line in which two texts differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return "line " + strconv.Itoa(i+1) + "\nwant: " + a + "\ngot:  " + b
		}
	}
	return "no difference"
}
