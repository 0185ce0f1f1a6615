package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"nodeagent/internal/staticpod/manifest"
)

const nodeName = "node1"

// comparison of one document.
type comparison struct {
	// accepted by run mode, and valid for Kubernetes.
	accepted, valid bool
	// used are the names of the documented differences that the document shows.
	used map[string]bool
	// faults are what differs for no documented reason.
	faults []string
}

func (c *comparison) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// compare reads one document with both, in both modes of ours.
func compare(document []byte) comparison {
	c := comparison{used: map[string]bool{}}
	theirs := kubelet(document, nodeName)
	c.valid = theirs.valid()

	run := manifest.Parse("f", document, manifest.Options{NodeName: nodeName})
	c.accepted = !run.Failed() && len(run.Pods) == 1
	switch {
	case c.accepted && !c.valid:
		c.unlooked("run mode", theirs, manifest.Ignored)
	case c.accepted:
		c.sameDefaults("run mode", run.Pods[0].Spec, theirs.Pod)
	case c.valid:
		c.explain("run mode", run, differences)
	}

	as := manifest.Parse("f", document, manifest.Options{NodeName: nodeName, Mode: manifest.Kubelet})
	accepted := !as.Failed() && len(as.Pods) == 1
	switch {
	case accepted && !theirs.valid():
		c.unlooked("kubelet mode", theirs, manifest.Refused, manifest.Ignored)
	case accepted && !theirs.runs():
		c.fault("kubelet mode takes what a kubelet refuses: %s", theirs.why())
	case accepted:
		c.sameDefaults("kubelet mode", as.Pods[0].Spec, theirs.Pod)
	case theirs.runs():
		c.explain("kubelet mode", as, kubeletDifferences)
	}
	return c
}

// unlooked checks that what Kubernetes refuses lies in fields that the table has among the given ones: those are not looked into.
func (c *comparison) unlooked(mode string, theirs kubeletVerdict, passed ...manifest.Support) {
	if theirs.Unread != nil {
		c.fault("%s takes what Kubernetes cannot read: %v", mode, theirs.Unread)
	}
	volumes := false // one is refused that is not looked into; Kubernetes then finds no such volume
	for _, e := range theirs.Invalid {
		if row, ok := rowOf(patternOf(e.Field)); ok && slices.Contains(passed, row.Support) {
			c.used[notLookedInto] = true
			volumes = volumes || strings.HasPrefix(e.Field, "spec.volumes[")
			continue
		}
		if slices.Contains(passed, manifest.Refused) && kubeletPasses(e) {
			continue
		}
		if volumes && e.Type == field.ErrorTypeNotFound {
			continue
		}
		c.fault("%s takes what Kubernetes refuses: %v", mode, e)
	}
}

func kubeletPasses(e *field.Error) bool {
	for _, u := range kubeletUnlooked {
		if regexp.MustCompile("^"+u.field).MatchString(patternOf(e.Field)) && regexp.MustCompile(u.detail).MatchString(e.Detail) {
			return true
		}
	}
	return false
}

// explain checks that each error has a documented reason.
func (c *comparison) explain(mode string, r manifest.Result, reasons []difference) {
	for _, p := range r.Problems {
		if p.Warning {
			continue
		}
		i := slices.IndexFunc(reasons, func(d difference) bool { return d.covers(p) })
		if i < 0 {
			c.fault("%s refuses what Kubernetes takes: %s", mode, p)
			continue
		}
		c.used[reasons[i].name] = true
	}
}

// sameDefaults compares pods with their defaults, but for the name, to which a kubelet adds the node's, and the fields that the table does not
// have as supported.
func (c *comparison) sameDefaults(mode string, ours, theirs *corev1.Pod) {
	if manifest.NodePodName(ours.Name, nodeName) != theirs.Name || ours.Spec.NodeName != theirs.Spec.NodeName {
		c.fault("%s names the pod %s on %s, Kubernetes %s on %s", mode, ours.Name, ours.Spec.NodeName, theirs.Name, theirs.Spec.NodeName)
	}
	a, b := tree(ours), tree(theirs)
	for _, k := range []string{"apiVersion", "kind"} { // decoding takes them off
		delete(a, k)
		delete(b, k)
	}
	delete(a["metadata"].(map[string]any), "name")
	delete(b["metadata"].(map[string]any), "name")
	for _, d := range diff(prune(a, ""), prune(b, ""), "") {
		c.fault("%s: other defaults: %s", mode, d)
	}
}

var rows = func() map[string]manifest.Field {
	m := map[string]manifest.Field{}
	for _, f := range manifest.Fields() {
		m[f.Path] = f
	}
	return m
}()

// rowOf gives the row of the table that decides on a path: that of the outermost field around it that is not supported, else its own.
func rowOf(pattern string) (manifest.Field, bool) {
	for i := range len(pattern) + 1 {
		if i < len(pattern) && pattern[i] != '.' && pattern[i] != '[' {
			continue
		}
		if row, ok := rowAt(pattern[:i]); ok && row.Support != manifest.Supported {
			return row, true
		}
	}
	return rowAt(pattern)
}

func rowAt(pattern string) (manifest.Field, bool) {
	row, ok := rows[pattern]
	if !ok {
		if i := strings.LastIndexByte(pattern, '.'); i >= 0 {
			row, ok = rows[pattern[:i]+".*"]
		}
	}
	return row, ok
}

var (
	amount = regexp.MustCompile(`\.(limits|requests|overhead)\[([^\]]+)\]`)
	number = regexp.MustCompile(`\[\d+\]`)
)

// patternOf writes a path of a fault as the table does: [] for an index, and a dot in front of a key.
func patternOf(path string) string {
	path = strings.Replace(path, ".volumeMounts.", ".volumeMounts[].", 1) // Kubernetes leaves the index out of some
	return number.ReplaceAllString(amount.ReplaceAllString(path, ".$1.$2"), "[]")
}

// tree is a pod as JSON has it, without what is empty.
func tree(pod *corev1.Pod) map[string]any {
	var m map[string]any
	b, err := json.Marshal(pod)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		panic(err)
	}
	return m
}

// prune removes what the table does not have as supported.
func prune(v any, pattern string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			below := strings.TrimPrefix(pattern+"."+k, ".")
			if row, ok := rowAt(below); ok && row.Support != manifest.Supported {
				delete(v, k)
				continue
			}
			v[k] = prune(item, below)
		}
	case []any:
		for i, item := range v {
			v[i] = prune(item, pattern+"[]")
		}
	}
	return v
}

// diff lists the paths at which two trees differ.
func diff(a, b any, path string) []string {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		var out []string
		keys := maps.Clone(am)
		maps.Copy(keys, bm)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			out = append(out, diff(am[k], bm[k], strings.TrimPrefix(path+"."+k, "."))...)
		}
		return out
	}
	al, aok := a.([]any)
	bl, bok := b.([]any)
	if aok && bok && len(al) == len(bl) {
		var out []string
		for i := range al {
			out = append(out, diff(al[i], bl[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return out
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	return []string{fmt.Sprintf("%s is %v, with Kubernetes %v", path, a, b)}
}
