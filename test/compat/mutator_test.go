package compat

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"nodeagent/internal/staticpod/manifest"
)

// Values at and beyond the edges of what the API takes somewhere.
var (
	oddStrings = []string{
		"", "a", "b", "A", "a.b", "a_b", "-a", "a-", "a--b", "_a", "a.", ".a", ".", "..", "..a", "../x", "/x", "/", "//", "a/../b", "a/b", "a/", "x:y", "./a", "a//b",
		strings.Repeat("a", 15), strings.Repeat("a", 16), strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 253), strings.Repeat("a", 254),
		strings.Repeat("a.", 126) + "a", strings.Repeat("a", 64) + ".b", "é", "a b", " a", "a ", "\t", "a\nb", "a=b", "=", "$(A)", "1", "80", "1a", "a1", "http", "true",
		"0.0.0.0", "127.0.0.1", "010.0.0.1", "1.2.3", "1.2.3.256", "::1", "::", "fe80::1%eth0", "::ffff:1.2.3.4", "1.2.3.4/8", "2001:DB8::1",
		"TCP", "tcp", "UDP", "SCTP", "HTTP", "HTTPS", "http", "Always", "Never", "OnFailure", "IfNotPresent", "File", "FallbackToLogsOnError",
		"Directory", "DirectoryOrCreate", "Socket", "Memory", "HugePages", "HugePages-2Mi", "Localhost", "RuntimeDefault", "Unconfined", "None", "Default",
		"ClusterFirst", "ClusterFirstWithHostNet", "Bidirectional", "HostToContainer", "OnRootMismatch", "linux", "windows", "v1", "v2",
		"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations", "metadata.labels['a']", "metadata.labels['a b']", "metadata.labels['']",
		"metadata.annotations['A.b/c']", "metadata.labels[a]", "metadata.name['a']", "spec.nodeName", "spec.serviceAccountName", "spec.hostname", "status.hostIP", "status.podIP", "status.podIPs", "status.hostIPs",
		"limits.cpu", "limits.memory", "requests.cpu", "requests.memory", "limits.ephemeral-storage", "limits.hugepages-2Mi", "requests.hugepages-", "limits.example.com/gpu",
		"kernel.shm_rmid_forced", "kernel.sem", "kernel.msgmax", "fs.mqueue.msg_max", "net.ipv4.tcp_syncookies", "net/ipv4/tcp_syncookies", "net/ipv4/conf/eth0.1/forwarding", "vm.swappiness",
		"ALL", "NET_ADMIN", "CAP_SYS_ADMIN", "system-node-critical", "a.b/c", "a/b/c", "example.test", "example.test.", "_srv.example", "*.example", "X-Header", "X Header",
		"nginx", "nginx:1.27", "Nginx:1", "host:5000/a/b:c@sha256:" + strings.Repeat("0", 64), "io.kubernetes.pod.name", "nodeagent/hash",
	}
	oddInts       = []int64{-1 << 63, -1 << 31, -2, -1, 0, 1, 2, 3, 15, 30, 80, 420, 511, 512, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<63 - 1}
	oddQuantities = []string{"0", "-1", "-1m", "1", "2", "100m", "1.5", "0.0001", "1e3", "128Mi", "64Mi", "1Gi", "1Ei", "9223372036854775807", "1n", "1u", ".5", "5.", "+1", "1E", "1e-3", "0.5Gi", "1m", "1k", "1M", "1Ki"}
)

// mutator makes documents out of those of the corpus. What it makes depends on its source alone.
type mutator struct {
	r      *rand.Rand
	corpus []any
	// pool has the values that the corpus holds at a path of the table.
	pool map[string][]any
}

func newMutator(corpus []any) *mutator {
	m := &mutator{corpus: corpus, pool: map[string][]any{}}
	for _, doc := range corpus {
		m.gather(doc, "")
	}
	return m
}

func (m *mutator) gather(v any, pattern string) {
	if len(m.pool[pattern]) < 200 {
		m.pool[pattern] = append(m.pool[pattern], v)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			m.gather(v[k], strings.TrimPrefix(pattern+"."+k, "."))
		}
	case []any:
		for _, item := range v {
			m.gather(item, pattern+"[]")
		}
	}
}

// document gives the seed's document and what it was made from.
func (m *mutator) document(seed uint64) []byte {
	m.r = rand.New(rand.NewPCG(seed, 0))
	doc := clone(m.corpus[m.r.IntN(len(m.corpus))])
	for range 1 + m.r.IntN(3) {
		doc = m.mutate(doc)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return b
}

// spot is one value of a document.
type spot struct {
	pattern string
	typ     reflect.Type
	value   any
	set     func(any)
	remove  func()
}

func (m *mutator) mutate(doc any) any {
	var spots []spot
	visit(&doc, "", reflect.TypeFor[corev1.Pod](), &spots)
	s := spots[m.r.IntN(len(spots))]
	switch m.r.IntN(8) {
	case 0:
		s.remove()
	case 1:
		if have := m.pool[s.pattern]; len(have) > 0 {
			s.set(clone(have[m.r.IntN(len(have))]))
		}
	case 2, 3:
		s.set(m.value(s.typ, 2))
	case 4:
		s.set(m.edit(s.value))
	case 5:
		switch v := s.value.(type) {
		case []any: // an item twice, or one of another document
			item := any(nil)
			if have := m.pool[s.pattern+"[]"]; len(have) > 0 && (len(v) == 0 || m.r.IntN(2) == 0) {
				item = have[m.r.IntN(len(have))]
			} else if len(v) > 0 {
				item = v[m.r.IntN(len(v))]
			}
			s.set(append(slices.Clone(v), clone(item)))
		default:
			s.set(m.value(s.typ, 2))
		}
	default:
		m.add(s)
	}
	return doc
}

// add adds a field that a mapping does not have, most often one that is supported.
func (m *mutator) add(s spot) {
	o, ok := s.value.(map[string]any)
	if !ok {
		s.set(m.value(s.typ, 2))
		return
	}
	fields := fieldsOf(s.typ)
	names := sortedKeys(fields)
	if m.r.IntN(8) > 0 {
		names = slices.DeleteFunc(names, func(k string) bool {
			row, ok := rowAt(strings.TrimPrefix(s.pattern+"."+k, "."))
			return !ok || row.Support != manifest.Supported
		})
	}
	if len(names) == 0 {
		return
	}
	k := names[m.r.IntN(len(names))]
	if have := m.pool[strings.TrimPrefix(s.pattern+"."+k, ".")]; len(have) > 0 && m.r.IntN(3) > 0 {
		o[k] = clone(have[m.r.IntN(len(have))])
		return
	}
	o[k] = m.value(fields[k], 2)
}

// value makes a value of a type.
func (m *mutator) value(t reflect.Type, depth int) any {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return m.text()
	}
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return oddQuantities[m.r.IntN(len(oddQuantities))]
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "2006-01-02T15:04:05Z"
	case reflect.TypeFor[intstr.IntOrString]():
		if m.r.IntN(2) == 0 {
			return m.text()
		}
		return m.int()
	}
	switch t.Kind() {
	case reflect.String:
		return m.text()
	case reflect.Bool:
		return m.r.IntN(2) == 0
	case reflect.Int, reflect.Int32:
		return min(max(m.int(), -1<<31), 1<<31-1)
	case reflect.Int64:
		return m.int()
	case reflect.Slice:
		list := []any{}
		for range m.r.IntN(3) {
			list = append(list, m.value(t.Elem(), depth-1))
		}
		return list
	case reflect.Map:
		o := map[string]any{}
		for range m.r.IntN(3) {
			o[m.text()] = m.value(t.Elem(), depth-1)
		}
		return o
	case reflect.Struct:
		o := map[string]any{}
		fields := fieldsOf(t)
		if names := sortedKeys(fields); depth > 0 {
			for range min(len(names), m.r.IntN(4)) {
				k := names[m.r.IntN(len(names))]
				o[k] = m.value(fields[k], depth-1)
			}
		}
		return o
	}
	return nil
}

func (m *mutator) text() string { return oddStrings[m.r.IntN(len(oddStrings))] }
func (m *mutator) int() int64   { return oddInts[m.r.IntN(len(oddInts))] }

// edit changes a value a little.
func (m *mutator) edit(v any) any {
	switch v := v.(type) {
	case string:
		at := m.r.IntN(len(v) + 1)
		switch m.r.IntN(6) {
		case 0:
			return v[:at] + string(".-_/:A1 \u00e9"[m.r.IntN(9)]) + v[at:]
		case 1:
			return strings.ToUpper(v)
		case 2:
			return v[:at]
		case 3:
			return v + v
		case 4:
			return m.text() + v
		}
		return v + m.text()
	case float64:
		return v + float64(m.r.IntN(5)-2)
	case bool:
		return !v
	case []any:
		out := slices.Clone(v)
		m.r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out[:m.r.IntN(len(out)+1)]
	case map[string]any:
		if m.r.IntN(3) == 0 {
			return map[string]any{}
		}
		o := clone(v).(map[string]any)
		if keys := sortedKeys(o); len(keys) > 0 {
			k := keys[m.r.IntN(len(keys))]
			o[m.text()] = o[k]
			delete(o, k)
		}
		return o
	}
	return v
}

// visit lists the values of a document with their types, outermost first.
func visit(v *any, pattern string, t reflect.Type, out *[]spot) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch o := (*v).(type) {
	case map[string]any:
		var fields map[string]reflect.Type
		if t != nil && t.Kind() == reflect.Struct {
			fields = fieldsOf(t)
		}
		for _, k := range sortedKeys(o) {
			below := strings.TrimPrefix(pattern+"."+k, ".")
			ft := fields[k]
			if t != nil && t.Kind() == reflect.Map {
				ft = t.Elem()
			}
			value := o[k]
			*out = append(*out, spot{pattern: below, typ: ft, value: value, set: func(n any) { o[k] = n }, remove: func() { delete(o, k) }})
			visit(&value, below, ft, out)
		}
	case []any:
		var et reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			et = t.Elem()
		}
		for i := range o {
			*out = append(*out, spot{pattern: pattern + "[]", typ: et, value: o[i], set: func(n any) { o[i] = n }, remove: func() { o[i] = o[0] }})
			visit(&o[i], pattern+"[]", et, out)
		}
	}
}

// fieldsOf gives the JSON names of a struct's fields with their types; the types that decode themselves have none.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	f := map[string]reflect.Type{}
	if t == nil || t.Kind() != reflect.Struct || t == reflect.TypeFor[resource.Quantity]() || t == reflect.TypeFor[metav1.Time]() || t == reflect.TypeFor[intstr.IntOrString]() {
		return f
	}
	for sf := range t.Fields() {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && sf.Anonymous:
			for k, v := range fieldsOf(sf.Type) {
				f[k] = v
			}
		default:
			f[name] = sf.Type
		}
	}
	return f
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for k, item := range v {
			o[k] = clone(item)
		}
		return o
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	}
	return v
}
