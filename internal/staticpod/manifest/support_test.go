package manifest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	kyaml "sigs.k8s.io/yaml"
)

// TestEverySupportedFieldIsTaken: what the table calls supported stands in one of two files that are taken with nothing to be said.
func TestEverySupportedFieldIsTaken(t *testing.T) {
	used, byPath := map[string]bool{}, map[string]Field{}
	for _, f := range Fields() {
		byPath[f.Path] = f
	}
	for _, name := range []string{"full.yaml", "whole.yaml"} {
		data := read1(t, name)
		r := Parse(name, data, Options{NodeName: "node1"})
		if len(r.Pods) != 1 || len(r.Problems) != 0 {
			t.Fatalf("%s says\n%s", name, report(r))
		}
		for _, d := range split(data, MaxDocuments) {
			var v any
			if err := kyaml.Unmarshal(d.text, &v); err != nil {
				t.Fatal(err)
			}
			patterns(v, "", used)
		}
	}
	for _, f := range Fields() {
		if f.Support == Supported && !used[f.Path] && !alike(f, byPath) {
			t.Errorf("%s is supported and stands in neither file", f.Path)
		}
	}
}

func patterns(v any, at string, used map[string]bool) {
	used[at] = true
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			patterns(below, strings.TrimPrefix(at+"."+k, "."), used)
		}
	case []any:
		for _, below := range v {
			patterns(below, at+"[]", used)
		}
	}
}

func TestDefaultsOfWhatIsReadAndProbed(t *testing.T) {
	const text = `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {
  volumes: [{name: c, configMap: {name: a}}, {name: s, secret: {secretName: a}}, {name: d, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}},
    {name: p, projected: {sources: [{downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}}]}}, {name: m, emptyDir: {medium: Memory}}],
  containers: [{name: c, image: "a:1", livenessProbe: {httpGet: {port: 80}}, lifecycle: {preStop: {httpGet: {port: 80}}}, resources: {limits: {cpu: 0.0001}}}]}}`
	p := onePod(t, []byte(text), Options{NodeName: "n"})
	c := p.Spec.Spec.Containers[0]
	got, err := kyaml.Marshal(map[string]any{"volumes": p.Spec.Spec.Volumes, "probe": c.LivenessProbe, "hook": c.Lifecycle, "resources": c.Resources})
	if err != nil {
		t.Fatal(err)
	}
	const want = `hook:
  preStop:
    httpGet:
      path: /
      port: 80
      scheme: HTTP
probe:
  failureThreshold: 3
  httpGet:
    path: /
    port: 80
    scheme: HTTP
  periodSeconds: 10
  successThreshold: 1
  timeoutSeconds: 1
resources:
  limits:
    cpu: 1m
  requests:
    cpu: 1m
volumes:
- configMap:
    defaultMode: 420
    name: a
  name: c
- name: s
  secret:
    defaultMode: 420
    secretName: a
- downwardAPI:
    defaultMode: 420
    items:
    - fieldRef:
        apiVersion: v1
        fieldPath: metadata.name
      path: a
  name: d
- name: p
  projected:
    defaultMode: 420
    sources:
    - downwardAPI:
        items:
        - fieldRef:
            apiVersion: v1
            fieldPath: metadata.name
          path: a
- emptyDir:
    medium: Memory
  name: m
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReferences(t *testing.T) {
	r := Parse("whole.yaml", read1(t, "whole.yaml"), Options{})
	config, secret := ObjectKey{"ConfigMap", "default", "web"}, ObjectKey{"Secret", "default", "web"}
	got := References(r.Pods[0].Spec)
	want := []Reference{{Key: config, Env: true, SubPath: true}, {Key: secret, Env: true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for name, c := range map[string]struct {
		spec string
		want []Reference
	}{
		"nothing":        {"containers: [{name: a, image: a}]", nil},
		"a volume":       {"volumes: [{name: v, configMap: {name: web}}], containers: [{name: a, image: a}]", []Reference{{Key: config}}},
		"optional":       {"volumes: [{name: v, secret: {secretName: web, optional: true}}], containers: [{name: a, image: a}]", []Reference{{Key: secret, Optional: true}}},
		"once required":  {"volumes: [{name: v, secret: {secretName: web, optional: true}}], containers: [{name: a, image: a, envFrom: [{secretRef: {name: web}}]}]", []Reference{{Key: secret, Env: true}}},
		"projected":      {"volumes: [{name: v, projected: {sources: [{secret: {name: web}}, {configMap: {name: web, optional: true}}]}}], containers: [{name: a, image: a}]", []Reference{{Key: secret}, {Key: config, Optional: true}}},
		"init container": {"initContainers: [{name: i, image: a, env: [{name: A, valueFrom: {configMapKeyRef: {name: web, key: a, optional: true}}}]}], containers: [{name: a, image: a}]", []Reference{{Key: config, Optional: true, Env: true}}},
	} {
		p := onePod(t, []byte("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {"+c.spec+"}}"), Options{})
		if got := References(p.Spec); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestHashWith(t *testing.T) {
	r := Parse("whole.yaml", read1(t, "whole.yaml"), Options{})
	pod, have := r.Pods[0], map[ObjectKey]Object{}
	for _, o := range r.Objects {
		have[o.Key()] = o
	}
	object := func(k ObjectKey) (Object, bool) { o, ok := have[k]; return o, ok }
	// Written down once: another value restarts pods on an upgrade.
	base, whole := pod.HashWith(object)
	if want := pod.Hash + "+09aa4d496134"; base != want || !whole {
		t.Errorf("%s %t, want %s", base, whole, want)
	}
	key := ObjectKey{"ConfigMap", "default", "web"}
	changed := have[key]
	changed.Data = maps.Clone(changed.Data)
	changed.Data["greeting"] = []byte("bye")
	changed.Hash = hashOfData(changed.Data)
	have[key] = changed
	if got, whole := pod.HashWith(object); got == base || !whole || !strings.HasPrefix(got, pod.Hash+"+") {
		t.Errorf("a changed object: %s %t", got, whole)
	}
	delete(have, key)
	if _, whole := pod.HashWith(object); whole {
		t.Error("a missing object is not missed")
	}
	optional := onePod(t, []byte("{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {nodeagent/restart-on-config-change: 'true'}}, spec: {containers: [{name: a, image: a, envFrom: [{configMapRef: {name: web, optional: true}}]}]}}"), Options{})
	if got, whole := optional.HashWith(object); !whole || got == optional.Hash {
		t.Errorf("without an optional object: %s %t", got, whole)
	}
	pod.Spec.Annotations[RestartAnnotation] = "false"
	if got, whole := pod.HashWith(object); got != pod.Hash || !whole {
		t.Errorf("without the annotation: %s %t", got, whole)
	}
	// A volume follows by itself.
	p := onePod(t, []byte("{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {nodeagent/restart-on-config-change: 'true'}}, spec: {volumes: [{name: v, configMap: {name: web}}], containers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: /v}]}]}}"), Options{})
	if got, whole := p.HashWith(object); got != p.Hash || !whole {
		t.Errorf("a volume alone: %s %t", got, whole)
	}
}
