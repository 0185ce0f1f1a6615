package staticpod

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/staticpod/downward"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/staticpod/volume"
)

// objects finds the data of a ConfigMap or Secret of the manifest folder.
type objects func(kind, namespace, name string) (data map[string][]byte, ok bool)

// environment of a container as kubelet makes it (pkg/kubelet/kubelet_pods.go): envFrom first, then env in the manifest's order; a later
// name wins over an earlier one, and $(VAR) sees what stands before it.
func environment(c *corev1.Container, f downward.Facts, find objects) (map[string]string, []*cri.KeyValue, error) {
	e := environ{values: map[string]string{}, facts: f, find: find}
	for _, from := range c.EnvFrom {
		if err := e.from(from); err != nil {
			return nil, nil, fmt.Errorf("envFrom: %w", err)
		}
	}
	for _, v := range c.Env {
		value, ok, err := e.value(c, v)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		if ok {
			e.set(v.Name, value)
		}
	}
	var out []*cri.KeyValue
	for _, name := range e.order {
		out = append(out, &cri.KeyValue{Key: name, Value: []byte(e.values[name])})
	}
	return e.values, out, nil
}

type environ struct {
	values map[string]string
	order  []string
	facts  downward.Facts
	find   objects
}

func (e *environ) set(name, value string) {
	if _, twice := e.values[name]; !twice {
		e.order = append(e.order, name)
	}
	e.values[name] = value
}

func (e *environ) from(from corev1.EnvFromSource) error {
	kind, name, optional := "", "", false
	switch {
	case from.ConfigMapRef != nil:
		kind, name, optional = "ConfigMap", from.ConfigMapRef.Name, isTrue(from.ConfigMapRef.Optional)
	case from.SecretRef != nil:
		kind, name, optional = "Secret", from.SecretRef.Name, isTrue(from.SecretRef.Optional)
	default:
		return nil
	}
	data, ok := e.find(kind, e.facts.Namespace, name)
	if !ok && !optional {
		return volume.Missing{Kind: kind, Namespace: e.facts.Namespace, Name: name}
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if name := from.Prefix + key; name != "" && !strings.ContainsAny(name, "=\x00") && !bytes.ContainsRune(data[key], 0) { // no process can have others
			e.set(name, string(data[key]))
		}
	}
	return nil
}

// value of one entry; false where it is optional and there is none.
func (e *environ) value(c *corev1.Container, v corev1.EnvVar) (value string, ok bool, err error) {
	from := v.ValueFrom
	switch {
	case from == nil:
		return manifest.Expand(v.Value, e.values), true, nil
	case from.FieldRef != nil:
		value, err = downward.Field(from.FieldRef.FieldPath, e.facts)
		return value, true, err
	case from.ResourceFieldRef != nil:
		of := c
		if name := from.ResourceFieldRef.ContainerName; name != "" {
			if of, _, _ = containerOf(&e.facts.Pod.Spec, name); of == nil {
				return "", false, fmt.Errorf("there is no container %s", name)
			}
		}
		value, err = downward.Resource(of, from.ResourceFieldRef, e.facts)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		return e.key("ConfigMap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key, isTrue(from.ConfigMapKeyRef.Optional))
	case from.SecretKeyRef != nil:
		return e.key("Secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key, isTrue(from.SecretKeyRef.Optional))
	}
	return "", false, fmt.Errorf("its source is not served")
}

func (e *environ) key(kind, name, key string, optional bool) (string, bool, error) {
	data, found := e.find(kind, e.facts.Namespace, name)
	value, ok := data[key]
	switch {
	case ok && bytes.ContainsRune(value, 0):
		return "", false, fmt.Errorf("%s %s/%s key %q holds a zero byte, which no environment can: mount it as a file", kind, e.facts.Namespace, name, key)
	case ok:
		return string(value), true, nil
	case optional:
		return "", false, nil
	case !found:
		return "", false, volume.Missing{Kind: kind, Namespace: e.facts.Namespace, Name: name}
	}
	return "", false, volume.Missing{Kind: kind, Namespace: e.facts.Namespace, Name: name, Key: key}
}

func isTrue(b *bool) bool { return b != nil && *b }
