package manifest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The types that decode themselves.
var (
	quantityType    = reflect.TypeFor[resource.Quantity]()
	timeType        = reflect.TypeFor[metav1.Time]()
	microTimeType   = reflect.TypeFor[metav1.MicroTime]()
	intOrStringType = reflect.TypeFor[intstr.IntOrString]()
	rawFieldsType   = reflect.TypeFor[metav1.FieldsV1]()
)

// walker holds a document's values against the API's Go types and against the table of fields. It reports every unknown
// key, every wrong type and every field that the table refuses or ignores.
type walker struct {
	*sink
	opts   Options
	fields map[reflect.Type]map[string]reflect.Type
	pruned bool // a value was set to null
}

// walk checks v, which stands at p and should have type t. pattern is the path with [] for every index; rows is false
// below a field that the table has already dealt with. It is false if v cannot be decoded at all; what it finds below v
// it sets to null, so that the rest can be decoded and checked as well.
func (w *walker) walk(t reflect.Type, v any, p place, pattern string, rows bool) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v == nil {
		return true
	}
	switch t {
	case quantityType:
		return w.quantity(v, p)
	case timeType, microTimeType:
		s, ok := v.(string)
		if _, err := time.Parse(time.RFC3339, s); !ok || err != nil {
			return w.bad(p, "expected a time such as 2006-01-02T15:04:05Z", "")
		}
		return true
	case intOrStringType:
		if n, ok := v.(json.Number); ok {
			return w.integer(reflect.TypeFor[int32](), n, p)
		}
		if _, ok := v.(string); !ok {
			return w.wrong(p, "an integer or a string", v)
		}
		return true
	case rawFieldsType:
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return w.wrong(p, "a mapping", v)
		}
		w.object(t, m, p, pattern, rows)
	case reflect.Map:
		m, ok := v.(map[string]any)
		if !ok {
			return w.wrong(p, "a mapping", v)
		}
		w.mapping(t, m, p, pattern, rows)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			if s, ok := v.(string); !ok {
				return w.wrong(p, "base64 text", v)
			} else if _, err := base64.StdEncoding.DecodeString(s); err != nil {
				return w.bad(p, "expected base64 text", "")
			}
			return true
		}
		list, ok := v.([]any)
		if !ok {
			return w.wrong(p, "a list", v)
		}
		for i, item := range list {
			at := p.index(i)
			if item == nil && w.opts.Mode == Kubelet {
				continue // it decodes to an empty item
			}
			if item == nil {
				w.bad(at, "the item is empty", "fill it in, or remove the dash")
			} else if !w.walk(t.Elem(), item, at, pattern+"[]", rows) {
				list[i] = nil
				w.pruned = true
			}
		}
	case reflect.String:
		if _, ok := v.(string); !ok {
			return w.wrong(p, "a string", v)
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return w.wrong(p, "true or false", v)
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, ok := v.(json.Number)
		if !ok {
			return w.wrong(p, "an integer", v)
		}
		return w.integer(t, n, p)
	}
	return true
}

func (w *walker) mapping(t reflect.Type, m map[string]any, p place, pattern string, rows bool) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		at := p.field(k)
		if rows && m[k] != nil {
			r, ok := rowAt(pattern + "." + k)
			if !ok {
				r, ok = rowAt(pattern + ".*")
			}
			if ok {
				w.apply(r, m[k], at)
			}
		}
		if !w.walk(t.Elem(), m[k], at, "", false) {
			delete(m, k)
			w.pruned = true
		}
	}
}

func (w *walker) object(t reflect.Type, m map[string]any, p place, pattern string, rows bool) {
	fields := w.fieldsOf(t)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		at := p.field(k)
		ft, known := fields[k]
		if !known {
			w.unknown(k, p, fields)
			continue
		}
		below := strings.TrimPrefix(pattern+"."+k, ".")
		descend := rows
		if rows && m[k] != nil {
			// In run mode an unlisted field is refused; a kubelet takes what no row says it refuses.
			r, ok := rowAt(below)
			if !ok && w.opts.Mode == Run {
				r = Field{Path: below, Support: Refused, Advice: "this version does not know the field; remove it"}
			}
			descend = w.apply(r, m[k], at)
		}
		if !w.walk(ft, m[k], at, below, descend) {
			m[k] = nil
			w.pruned = true
		}
	}
}

// fieldsOf gives the JSON names of a struct's fields with their types, embedded structs flattened as encoding/json does.
func (w *walker) fieldsOf(t reflect.Type) map[string]reflect.Type {
	if f, ok := w.fields[t]; ok {
		return f
	}
	f := map[string]reflect.Type{}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && sf.Anonymous:
			maps.Copy(f, w.fieldsOf(sf.Type))
		default:
			f[name] = sf.Type
		}
	}
	w.fields[t] = f
	return f
}

// homes are fields that people write one level too deep or too shallow.
var homes = map[string]string{
	"hostNetwork": "spec", "hostPID": "spec", "hostIPC": "spec", "restartPolicy": "spec", "volumes": "spec", "containers": "spec", "dnsPolicy": "spec",
	"terminationGracePeriodSeconds": "spec", "runtimeClassName": "spec", "hostname": "spec", "shareProcessNamespace": "spec",
	"image": "spec.containers[]", "command": "spec.containers[]", "args": "spec.containers[]", "env": "spec.containers[]",
	"ports": "spec.containers[]", "volumeMounts": "spec.containers[]", "imagePullPolicy": "spec.containers[]",
	"livenessProbe": "spec.containers[]", "readinessProbe": "spec.containers[]", "startupProbe": "spec.containers[]", "envFrom": "spec.containers[]",
	"lifecycle": "spec.containers[]", "resources": "spec.containers[]", "initContainers": "spec", "dnsConfig": "spec", "hostAliases": "spec",
	"fsGroup": "spec.securityContext", "sysctls": "spec.securityContext", "configMap": "spec.volumes[]", "secret": "spec.volumes[]", "privileged": "spec.containers[].securityContext", "capabilities": "spec.containers[].securityContext",
	"labels": "metadata", "annotations": "metadata", "namespace": "metadata", "supplementalGroups": "spec.securityContext",
	"limits": "spec.containers[].resources", "requests": "spec.containers[].resources", "hostPath": "spec.volumes[]", "emptyDir": "spec.volumes[]",
}

func (w *walker) unknown(key string, parent place, fields map[string]reflect.Type) {
	fix := ""
	if near := w.near(key, slices.Sorted(maps.Keys(fields))); near != "" {
		fix = "did you mean " + near + "?"
		w.faulty[parent.field(near).path] = w.opts.Mode == Run
	} else if home := homes[key]; home != "" {
		fix = key + " is a field of " + home + ": check the indentation"
	}
	p := parent.field(key).atKey()
	if w.opts.Mode == Kubelet {
		w.warn(p, "unknown field; a kubelet ignores it without a word", fix)
		return
	}
	if fix == "" {
		fix = "remove it"
	}
	w.at(p, "unknown field", fix)
}

// apply does what the table says about a field that is there. It tells whether rows below it still count.
func (w *walker) apply(r Field, v any, p place) (descend bool) {
	if emptyValue(v) && r.Support != Supported {
		return false
	}
	if w.opts.Mode == Kubelet {
		if r.Kubelet != "" && v != "" {
			w.at(p.atKey(), r.Kubelet, cmp.Or(r.Instead, r.Advice))
			return false
		}
		return true
	}
	if r.Path == "spec.nodeName" && v == w.opts.NodeName {
		return false
	}
	text := scalarText(v)
	harmless := slices.Contains(r.Values, text)
	switch r.Support {
	case Supported:
		switch {
		case len(r.Values) == 0 || harmless:
		case r.Others:
			w.warn(p.atKey(), "ignored: "+r.Advice, "")
		default:
			w.bad(p, "this version takes "+list(shown(r.Values))+" only", r.Advice)
		}
		return true
	case Ignored:
		if !harmless {
			w.warn(p.atKey(), "ignored: "+r.Advice, "")
		}
	case Refused:
		if !harmless {
			w.at(p.atKey(), "not supported by this version", r.Advice)
		}
	}
	return false
}

// shown gives values as they are to be written.
func shown(values []string) []string {
	out := slices.Clone(values)
	for i, v := range out {
		if v == "" {
			out[i] = `""`
		}
	}
	return out
}

// emptyValue is true for what generators leave behind, such as status: {} or initContainers: [].
func emptyValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	}
	return false
}

// scalarText writes a scalar as Field.Values has it; an empty mapping is {}.
func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case map[string]any:
		if len(v) == 0 {
			return "{}"
		}
	}
	return "\x00" // no row has it
}

func (w *walker) integer(t reflect.Type, n json.Number, p place) bool {
	bits := t.Bits()
	if _, err := strconv.ParseInt(string(n), 10, bits); err == nil {
		return true
	}
	if strings.ContainsAny(string(n), ".eE") {
		return w.bad(p, "expected an integer, got a fraction", "")
	}
	return w.bad(p, fmt.Sprintf("expected an integer of at most %d bits, got a larger number", bits), "")
}

// quantitySyntax is the API's grammar of quantities, with an exponent of at most three digits: parsing a larger one costs
// time that grows with its value.
var quantitySyntax = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]{1,3})$`)

func (w *walker) quantity(v any, p place) bool {
	const want = `expected a quantity such as 500m, 2, 128Mi or 1Gi`
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number:
		s = string(v)
	default:
		return w.wrong(p, "a quantity such as 500m, 2, 128Mi or 1Gi", v)
	}
	if len(s) > 64 || !quantitySyntax.MatchString(s) {
		fix := ""
		if near := strings.TrimSuffix(strings.TrimSuffix(s, "B"), "b"); near != s && quantitySyntax.MatchString(near) {
			fix = "write " + near
		}
		return w.bad(p, want+", got "+quoted(s), fix)
	}
	if _, err := resource.ParseQuantity(s); err != nil {
		return w.bad(p, want+", got "+quoted(s), "")
	}
	return true
}

// wrong reports a value of the wrong type by the type's name alone: the value may be a secret.
func (w *walker) wrong(p place, want string, v any) bool {
	got, fix := "a mapping", ""
	switch v.(type) {
	case string:
		got = "a string"
		if want == "an integer" || want == "true or false" {
			fix = "remove the quotes if there are any"
		}
	case json.Number:
		got = "a number"
		if want == "a string" {
			fix = "put it in quotes"
		}
	case bool:
		got = "a boolean"
		if want == "a string" {
			fix = "put it in quotes (YAML reads true, yes and on, false, no and off as booleans)"
		}
	case []any:
		got = "a list"
		if want == "a mapping" {
			fix = "remove the dash"
		}
	case map[string]any:
		if want == "a list" {
			fix = "begin each item with a dash"
		}
	}
	return w.bad(p, "expected "+want+", got "+got, fix)
}

// bad reports a value that cannot be decoded, and keeps later checks from reporting what follows from it.
func (w *walker) bad(p place, message, fix string) bool {
	w.at(p, message, fix)
	w.faulty[p.path] = true
	return false
}
