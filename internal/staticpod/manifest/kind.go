package manifest

import (
	"maps"
	"slices"
	"strings"
)

// isPod checks that a document is a v1 Pod, and says of the other kinds that people put here what to do.
func isPod(s *sink, value any, at place, o Options) bool {
	m, ok := value.(map[string]any)
	if !ok {
		s.at(at, "expected a mapping with apiVersion, kind, metadata and spec", "")
		return false
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
		return false
	}
	switch kind {
	case "Pod":
		if version != "v1" {
			refuse("apiVersion", "a Pod has apiVersion v1, got "+quoted(version), "write apiVersion: v1")
			return false
		}
		return true
	case "List", "PodList":
		fix := "write each Pod as a document of its own, with --- between them"
		if o.Mode == Kubelet {
			fix = "write each Pod into a file of its own"
		}
		refuse("kind", "a "+kind+" is not read", fix)
	case "ConfigMap", "Secret":
		if o.Mode == Run {
			s.at(at.field("kind"), kind+" documents are not served by this version", dataAsFile)
		} else {
			refuse("kind", "a "+kind+" is not a Pod", dataAsFile)
		}
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob":
		template := "spec.template"
		if kind == "CronJob" {
			template = "spec.jobTemplate.spec.template"
		}
		refuse("kind", "a "+kind+" needs a controller, and there is none here", "write a Pod with the metadata and spec of its "+template+", and a metadata.name")
	default:
		fix := "remove the document"
		if strings.EqualFold(kind, "Pod") || nearest(kind, []string{"Pod"}) != "" {
			fix = "did you mean Pod?"
		}
		refuse("kind", quoted(kind)+" is not a Pod", fix)
	}
	return false
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
