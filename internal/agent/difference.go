package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Change is one field that differs. From and To are empty where there was or is none, and for what may hold a secret.
type Change struct {
	Path string // spec.containers[web].image
	From string
	To   string
}

// Bounds of what is said of a difference.
const (
	changesMost = 20
	valueMost   = 60 // characters
)

// differences lists the fields in which two pods differ, after defaults, in the order of their paths; the first twenty.
func differences(old, now *corev1.Pod) []Change {
	if old == nil || now == nil {
		return nil
	}
	var out []Change
	compare("", tree(old), tree(now), &out)
	return out[:min(len(out), changesMost)]
}

func tree(p *corev1.Pod) any {
	b, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	var v any
	_ = json.Unmarshal(b, &v) // it is JSON of our own making
	return v
}

func compare(path string, a, b any, out *[]Change) {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		keys := slices.Sorted(maps.Keys(am))
		for k := range bm {
			if _, both := am[k]; !both {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		for _, k := range keys {
			compare(strings.TrimPrefix(path+"."+k, "."), am[k], bm[k], out)
		}
		return
	}
	al, aNamed := byName(a)
	bl, bNamed := byName(b)
	if (aNamed || a == nil) && (bNamed || b == nil) && (aNamed || bNamed) {
		for _, k := range union(al, bl) {
			compare(path+"["+k+"]", lookup(al, k), lookup(bl, k), out)
		}
		return
	}
	from, to := text(a), text(b)
	if from == to {
		return
	}
	if private(path) || !scalar(a) || !scalar(b) {
		from, to = "", ""
	}
	*out = append(*out, Change{Path: path, From: short(from), To: short(to)})
}

// byName is a list whose items have names, by them.
func byName(v any) (map[string]any, bool) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, ok
	}
	out := map[string]any{}
	for _, item := range list {
		m, _ := item.(map[string]any)
		name, _ := m["name"].(string)
		if name == "" {
			return nil, false
		}
		out[name] = item
	}
	return out, len(out) == len(list)
}

func union(a, b map[string]any) []string {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

func lookup(m map[string]any, k string) any {
	if v, ok := m[k]; ok {
		return v
	}
	return nil
}

func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// private tells of values that people put secrets into: the environment, command lines and annotations. What is no single value is not shown
// either.
func private(path string) bool {
	for _, part := range []string{".env", ".command", ".args", "annotations", ".httpHeaders"} {
		if strings.Contains(path, part) {
			return true
		}
	}
	return false
}

func short(s string) string {
	if r := []rune(s); len(r) > valueMost {
		return string(r[:valueMost-1]) + "…"
	}
	return s
}
