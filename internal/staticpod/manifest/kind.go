package manifest

import (
	"maps"
	"slices"
)

// kindOf gives the kind of a document if it is one that is read, Pod, and in run mode ConfigMap and Secret. Of the other kinds
// that people put here it says what to do.
func kindOf(s *sink, value any, at place, o Options) string {
	m, ok := value.(map[string]any)
	if !ok {
		s.at(at, "expected a mapping with apiVersion, kind, metadata and spec", "")
		return ""
	}
	version, versionOK := m["apiVersion"].(string)
	kind, kindOK := m["kind"].(string)
	refuse := func(key, message, fix string) {
		if o.Mode == Kubelet {
			message += "; a kubelet refuses the file"
		}
		s.at(at.field(key), message, fix)
	}
	if !kindOK || kind == "" {
		refuse("kind", "required", instead(m, "kind", "Pod"))
	}
	if !versionOK || version == "" {
		refuse("apiVersion", "required", instead(m, "apiVersion", "v1"))
	}
	if s.errors > 0 && (kind == "" || version == "") {
		return ""
	}
	read := []string{"Pod", kindConfigMap, kindSecret}
	if o.Mode == Kubelet {
		read = read[:1]
	}
	if slices.Contains(read, kind) {
		if version != "v1" {
			refuse("apiVersion", "a "+kind+" has apiVersion v1, got "+quoted(version), "write apiVersion: v1")
			return ""
		}
		return kind
	}
	switch kind {
	case "List", "PodList", "ConfigMapList", "SecretList":
		fix := "write each object as a document of its own, with --- between them"
		if o.Mode == Kubelet {
			fix = "write each Pod into a file of its own"
		}
		refuse("kind", "a "+kind+" is not read", fix)
	case kindConfigMap, kindSecret:
		refuse("kind", "a "+kind+" is not a Pod", dataAsFile)
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob":
		template := "spec.template"
		if kind == "CronJob" {
			template = "spec.jobTemplate.spec.template"
		}
		refuse("kind", "a "+kind+" needs a controller, and there is none here", "write a Pod with the metadata and spec of its "+template+", and a metadata.name")
	default:
		fix, what := "remove the document", "is not a Pod"
		if o.Mode == Run {
			what = "is no Pod, ConfigMap or Secret"
		}
		if near := s.near(kind, read); near != "" {
			fix = "did you mean " + near + "?"
		}
		refuse("kind", quoted(kind)+" "+what, fix)
	}
	return ""
}

// instead says what to write for a missing key, and which key was probably meant to be it.
func instead(m map[string]any, key, value string) string {
	fix := "write " + key + ": " + value
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if nearest(k, []string{key}) != "" && k != key {
			return fix + " in place of " + pathKey(k)
		}
	}
	return fix
}
