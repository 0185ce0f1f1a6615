package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What fieldRef may read: the API's list for the environment, and which of them run mode has. A volume's is shorter, and holds
// whole mappings.
var (
	envPaths = map[string]bool{
		"metadata.name": true, "metadata.namespace": true, "metadata.uid": true, "spec.nodeName": true, "status.hostIP": true, "status.podIP": true,
		"status.hostIPs": true, "status.podIPs": true, "spec.serviceAccountName": false,
	}
	volumePaths = map[string]bool{"metadata.name": true, "metadata.namespace": true, "metadata.uid": true, "metadata.labels": true, "metadata.annotations": true}
)

func (v validator) env(c *corev1.Container, p place) {
	seen := map[string]bool{}
	for i := range c.Env {
		e, at := &c.Env[i], p.index(i)
		v.fail(at.field("name"), envName(e.Name))
		if seen[e.Name] && e.Name != "" {
			v.warn(at.field("name"), quoted(e.Name)+" is set above already; the last one counts", "")
		}
		seen[e.Name] = true
		if e.ValueFrom == nil {
			continue
		}
		if e.Value != "" {
			v.at(at.field("valueFrom"), "value and valueFrom exclude each other", "keep one")
		}
		v.valueFrom(e.ValueFrom, at.field("valueFrom"))
	}
}

func (v validator) valueFrom(from *corev1.EnvVarSource, p place) {
	n := 0
	for _, set := range []bool{from.FieldRef != nil, from.ResourceFieldRef != nil, from.ConfigMapKeyRef != nil, from.SecretKeyRef != nil, from.FileKeyRef != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		v.at(p, fmt.Sprintf("exactly one source is required, got %d", n), "")
	}
	if r := from.FieldRef; r != nil {
		v.fieldRef(r, envPaths, p.field("fieldRef"))
	}
	if r := from.ResourceFieldRef; r != nil {
		v.resourceRef(r, false, p.field("resourceFieldRef"))
	}
	if r := from.ConfigMapKeyRef; r != nil {
		v.fail(p.field("configMapKeyRef").field("name"), dnsSubdomain(r.Name))
		v.fail(p.field("configMapKeyRef").field("key"), dataKey(r.Key))
	}
	if r := from.SecretKeyRef; r != nil {
		v.fail(p.field("secretKeyRef").field("name"), dnsSubdomain(r.Name))
		v.fail(p.field("secretKeyRef").field("key"), dataKey(r.Key))
	}
}

func (v validator) envFrom(from []corev1.EnvFromSource, p place) {
	for i, f := range from {
		at := p.index(i)
		if f.Prefix != "" {
			v.fail(at.field("prefix"), envName(f.Prefix))
		}
		n := 0
		if r := f.ConfigMapRef; r != nil {
			n++
			v.fail(at.field("configMapRef").field("name"), dnsSubdomain(r.Name))
		}
		if r := f.SecretRef; r != nil {
			n++
			v.fail(at.field("secretRef").field("name"), dnsSubdomain(r.Name))
		}
		if n != 1 {
			v.at(at, fmt.Sprintf("exactly one of configMapRef and secretRef is required, got %d", n), "")
		}
	}
}

// fieldRef checks which of the pod's own fields is read; paths are those that may be, true where run mode has them.
func (v validator) fieldRef(r *corev1.ObjectFieldSelector, paths map[string]bool, p place) {
	if r.APIVersion != "v1" {
		v.at(p.field("apiVersion"), "expected v1, got "+quoted(r.APIVersion), "remove it")
	}
	at := p.field("fieldPath")
	if key, ok := subscript(r.FieldPath, "metadata.labels"); ok {
		v.fail(at, qualifiedName(key))
		return
	}
	if key, ok := subscript(r.FieldPath, "metadata.annotations"); ok {
		v.fail(at, qualifiedName(strings.ToLower(key)))
		return
	}
	known := slices.Sorted(maps.Keys(paths))
	here, ok := paths[r.FieldPath]
	switch {
	case r.FieldPath == "":
		v.at(at, "required", "")
	case !ok:
		fix := "use " + list(known) + ", or metadata.labels['KEY'] or metadata.annotations['KEY']"
		if near := v.near(r.FieldPath, known); near != "" {
			fix = "did you mean " + near + "?"
		}
		v.at(at, quoted(r.FieldPath)+" cannot be read by a container", fix)
	case !here && v.opts.Mode == Run:
		known = slices.DeleteFunc(known, func(k string) bool { return !paths[k] })
		v.at(at, quoted(r.FieldPath)+" is not supported by this version", "use "+list(known))
	}
}

// subscript gives KEY of field['KEY'].
func subscript(path, field string) (key string, ok bool) {
	key, ok = strings.CutPrefix(path, field+"['")
	if !ok || !strings.HasSuffix(key, "']") {
		return "", false
	}
	return strings.TrimSuffix(key, "']"), true
}

// What resourceFieldRef may read. Ephemeral storage and huge pages are neither limited nor counted in run mode.
var (
	resourcePaths = []string{"limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
	apiResources  = slices.Concat(resourcePaths, []string{"limits.ephemeral-storage", "requests.ephemeral-storage"})
	bytesDivisors = []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
)

func (v validator) resourceRef(r *corev1.ResourceFieldSelector, inVolume bool, p place) {
	at := p.field("containerName")
	switch {
	case r.ContainerName == "" && inVolume:
		v.at(at, "required in a volume", "name one of the pod's containers")
	case r.ContainerName != "" && v.opts.Mode == Run && !v.containers[r.ContainerName]:
		fix := ""
		if near := v.nearKey(r.ContainerName, v.containers); near != "" {
			fix = "did you mean " + near + "?"
		}
		v.at(at, "the pod has no container "+quoted(r.ContainerName), fix)
	}
	at = p.field("resource")
	huge := strings.HasPrefix(r.Resource, "limits.hugepages-") || strings.HasPrefix(r.Resource, "requests.hugepages-")
	switch {
	case r.Resource == "":
		v.at(at, "required", "")
	case v.opts.Mode == Run && !slices.Contains(resourcePaths, r.Resource) && (huge || slices.Contains(apiResources, r.Resource)):
		v.at(at, quoted(r.Resource)+" is not supported by this version", "use "+list(resourcePaths)+", or write the number itself")
	case !huge && !slices.Contains(apiResources, r.Resource):
		fix := "use " + list(resourcePaths)
		if near := v.near(r.Resource, apiResources); near != "" {
			fix = "did you mean " + near + "?"
		}
		v.at(at, quoted(r.Resource)+" cannot be read by a container", fix)
	}
	if r.Divisor.Cmp(resource.Quantity{}) == 0 {
		return
	}
	allowed := bytesDivisors
	if strings.HasSuffix(r.Resource, ".cpu") {
		allowed = []string{"1m", "1"}
	}
	if !slices.Contains(allowed, r.Divisor.String()) {
		v.at(p.field("divisor"), "expected "+list(allowed), "")
	}
}
