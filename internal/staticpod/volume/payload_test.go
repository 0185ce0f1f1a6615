package volume

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestCollect(t *testing.T) {
	secret := func(optional *bool, items ...corev1.KeyToPath) corev1.Volume {
		return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: "tls", Items: items, DefaultMode: ptr(int32(0o400)), Optional: optional}}}
	}
	ref := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	projected := func(mode *int32, s ...corev1.VolumeProjection) corev1.Volume {
		return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: s, DefaultMode: mode}}}
	}
	field := func(path, field string, mode *int32) corev1.DownwardAPIVolumeFile {
		return corev1.DownwardAPIVolumeFile{Path: path, FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}, Mode: mode}
	}
	amount := func(path, container, resource string) corev1.DownwardAPIVolumeFile {
		return corev1.DownwardAPIVolumeFile{Path: path, ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: container, Resource: resource}}
	}
	down := func(items ...corev1.DownwardAPIVolumeFile) corev1.Volume {
		return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: items}}}
	}
	tests := map[string]struct {
		v       corev1.Volume
		want    string
		wrong   []string
		missing []Missing
	}{
		"all of a configMap": {v: configMap("web"), want: "a.conf 644 A|b.conf 644 B"},
		"items of one": {v: configMap("web", corev1.KeyToPath{Key: "a.conf", Path: "sub/./x"},
			corev1.KeyToPath{Key: "a.conf", Path: "y", Mode: ptr(int32(0o600))}), want: "sub/x 644 A|y 600 A"},
		"a missing configMap": {v: configMap("gone"), missing: []Missing{{"ConfigMap", "default", "gone", ""}},
			wrong: []string{"ConfigMap default/gone is not there: put it into the manifest folder"}},
		"a missing key": {v: configMap("web", corev1.KeyToPath{Key: "x", Path: "x"}, corev1.KeyToPath{Key: "y", Path: "y"}),
			wrong: []string{`has no key "x"`, `has no key "y": add the key`}},
		"a secret":              {v: secret(nil), want: "key 400 K"},
		"an optional key":       {v: secret(ptr(true), corev1.KeyToPath{Key: "x", Path: "x"}, corev1.KeyToPath{Key: "key", Path: "k"}), want: "k 400 K"},
		"not optional":          {v: secret(ptr(false), corev1.KeyToPath{Key: "x", Path: "x"}), missing: []Missing{{"Secret", "default", "tls", "x"}}},
		"a path that leads out": {v: configMap("web", corev1.KeyToPath{Key: "a.conf", Path: "../../x"}), wrong: []string{"begins with .., which it must not"}},
		"the downward API": {v: down(field("name", "metadata.name", nil), field("l", "metadata.labels", ptr(int32(0o400))), amount("cpu", "c", "limits.cpu")),
			want: "cpu 644 2|l 400 app=\"web\"|name 644 web-n1"},
		"of a container that is not": {v: down(amount("cpu", "d", "limits.cpu")), wrong: []string{`file cpu: there is no container "d"`}},
		"of an init container":       {v: down(amount("cpu", "init", "limits.cpu")), want: "cpu 644 2"},
		"of a field that is not": {v: down(field("n", "metadata.nom", nil), corev1.DownwardAPIVolumeFile{Path: "e"}),
			wrong: []string{"file n: field metadata.nom is not served", "file e: it has no fieldRef"}},
		"projected": {v: projected(ptr(int32(0o440)),
			corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref("web")}},
			corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: ref("tls"),
				Items: []corev1.KeyToPath{{Key: "key", Path: "a.conf", Mode: ptr(int32(0o400))}}}},
			corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: ref("gone"), Optional: ptr(true)}},
			corev1.VolumeProjection{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{field("d/ns", "metadata.namespace", nil)}}},
		), want: "a.conf 400 K|b.conf 440 B|d/ns 440 default"},
		"projected, much missing": {v: projected(nil,
			corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: ref("one")}},
			corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref("two")}},
			corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{}},
		), wrong: []string{"Secret default/one is not there", "ConfigMap default/two is not there", "source 2 is of a kind that is not served"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.pod.Spec.InitContainers = []corev1.Container{{Name: "init"}}
			f.objects["ConfigMap/default/web"] = map[string]string{"a.conf": "A", "b.conf": "B"}
			f.objects["Secret/default/tls"] = map[string]string{"key": "K"}
			files, err := f.collect(&tt.v)
			var got []string
			for _, k := range slices.Sorted(maps.Keys(files)) {
				got = append(got, fmt.Sprintf("%s %o %s", k, files[k].mode, files[k].data))
			}
			if s := strings.Join(got, "|"); err == nil && s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
			if (err != nil) != (len(tt.wrong)+len(tt.missing) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, w := range tt.wrong {
				wrong(t, err, w)
			}
			for _, want := range tt.missing {
				if m, ok := errors.AsType[Missing](err); !ok || m != want {
					t.Errorf("missing %+v, want %+v", m, want)
				}
			}
		})
	}
}
