package manifest

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestEveryFieldHasARow walks the API's own types: a field that a newer API adds has no row, and this test names it.
func TestEveryFieldHasARow(t *testing.T) {
	w := &walker{fields: map[reflect.Type]map[string]reflect.Type{}}
	seen := map[string]bool{}
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for {
			if typ.Kind() == reflect.Slice {
				path += "[]"
			} else if typ.Kind() != reflect.Pointer {
				break
			}
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == quantityType || typ == timeType || typ == intOrStringType {
			return
		}
		for name, ft := range w.fieldsOf(typ) {
			at := strings.TrimPrefix(path+"."+name, ".")
			row, ok := rowAt(at)
			if !ok {
				t.Errorf("no row for %s: say in the table whether run mode supports, ignores or refuses it", at)
				continue
			}
			seen[at] = true
			if row.Support == Supported {
				walk(ft, at)
			}
		}
	}
	walk(reflect.TypeFor[corev1.Pod](), "")

	for _, row := range Fields() {
		// Rows below a refused field serve kubelet mode; rows of resource lists name map keys.
		if !seen[row.Path] && row.Kubelet == "" && !strings.Contains(row.Path, ".resources.") {
			t.Errorf("the row %s is no field of a Pod", row.Path)
		}
		if row.Support != Supported && row.Advice == "" {
			t.Errorf("%s is %s without a word of advice", row.Path, row.Support)
		}
		if row.Kubelet != "" && row.Advice == "" && row.Instead == "" {
			t.Errorf("%s is refused by a kubelet without a word of what to do", row.Path)
		}
		if row.Others && (row.Support != Supported || len(row.Values) == 0) {
			t.Errorf("%s ignores other values and names none that count", row.Path)
		}
	}
	if len(tableByPath) != len(Fields())+5 { // the five of ConfigMaps and Secrets
		t.Errorf("%d rows for %d paths: a path stands in the table twice", len(Fields()), len(tableByPath))
	}
}

// TestProofsAreOfSupportedFields: a proof whose field was renamed or refused would prove nothing.
func TestProofsAreOfSupportedFields(t *testing.T) {
	for path, test := range proofs {
		row, ok := rowAt(path)
		if !ok || row.Support != Supported || row.Proof != test || !strings.HasPrefix(test, "Test") {
			t.Errorf("%s is proved by %q: row %+v", path, test, row)
		}
	}
	rows := proved([]Field{supported(containers + ".name"), supported(initContainers + ".name"), refused(containers+".tty", "x")})
	for i, f := range rows {
		if f.Proof != proofs[containers+".name"] && i < 2 || i == 2 && f.Proof != "" {
			t.Errorf("%+v", f)
		}
	}
}
