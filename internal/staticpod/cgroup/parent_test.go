package cgroup

import (
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestParent(t *testing.T) {
	const uid = "a53c803e-0242-88a4-b382-c841da3c0be0"
	for _, test := range []struct {
		root    string
		systemd bool
		class   corev1.PodQOSClass
		want    string
		path    string // below a hierarchy
	}{
		{"", false, corev1.PodQOSGuaranteed, "/kubepods/pod" + uid, "kubepods/pod" + uid},
		{"/", false, corev1.PodQOSBurstable, "/kubepods/burstable/pod" + uid, "kubepods/burstable/pod" + uid},
		{"/a/b/", false, corev1.PodQOSBestEffort, "/a/b/kubepods/besteffort/pod" + uid, "a/b/kubepods/besteffort/pod" + uid},
		{"", true, corev1.PodQOSGuaranteed, "kubepods-poda53c803e_0242_88a4_b382_c841da3c0be0.slice",
			"kubepods.slice/kubepods-poda53c803e_0242_88a4_b382_c841da3c0be0.slice"},
		{"", true, corev1.PodQOSBurstable, "kubepods-burstable-poda53c803e_0242_88a4_b382_c841da3c0be0.slice",
			"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda53c803e_0242_88a4_b382_c841da3c0be0.slice"},
		{"/a-b", true, corev1.PodQOSBestEffort, "a_b-kubepods-besteffort-poda53c803e_0242_88a4_b382_c841da3c0be0.slice",
			"a_b.slice/a_b-kubepods.slice/a_b-kubepods-besteffort.slice/a_b-kubepods-besteffort-poda53c803e_0242_88a4_b382_c841da3c0be0.slice"},
	} {
		got := Parent(test.root, test.systemd, test.class, uid)
		if got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
		if rel, err := ofPod(got, test.systemd); err != nil || rel != test.path {
			t.Errorf("%s lies in %s, %v", got, rel, err)
		}
	}
}

func TestOnlyAPodsCgroupIsTouched(t *testing.T) {
	for _, test := range []struct {
		parent  string
		systemd bool
	}{
		{"", false}, {"/", false}, {".", false}, {"/kubepods", false}, {"/kubepods/burstable", false}, {"/podx", false}, {"/kubepods/pod", false},
		{"/kubepods/../podx", false}, {"../a/podx", false}, {"/a/podx/..", false}, {"/a/pod\x00", false},
		{"", true}, {".slice", true}, {"-.slice", true}, {"kubepods.slice", true}, {"kubepods-burstable.slice", true}, {"podx.slice", true},
		{"kubepods--podx.slice", true}, {"kubepods-podx", true}, {"/kubepods/podx", true}, {"../kubepods-podx.slice", true}, {"kubepods-pod.slice", true},
	} {
		if rel, err := ofPod(test.parent, test.systemd); err == nil {
			t.Errorf("%q counts as a pod's, in %q", test.parent, rel)
		}
		tree := &Tree{hierarchies: []hierarchy{{dir: t.TempDir()}}}
		if tree.Remove(t.Context(), test.parent, test.systemd) == nil || tree.Ensure(t.Context(), test.parent, test.systemd, Limits{}) == nil {
			t.Errorf("%q is touched", test.parent)
		}
	}
}

func TestDirs(t *testing.T) {
	tree := &Tree{hierarchies: []hierarchy{{dir: "/r/cpu,cpuacct"}, {dir: "/r/memory"}}}
	if got := tree.Dirs("/kubepods/podx", false); !slices.Equal(got, []string{"/r/cpu,cpuacct/kubepods/podx", "/r/memory/kubepods/podx"}) {
		t.Error(got)
	}
	if got := tree.Dirs("a-podx.slice", true); !slices.Equal(got, []string{"/r/cpu,cpuacct/a.slice/a-podx.slice", "/r/memory/a.slice/a-podx.slice"}) {
		t.Error(got)
	}
	if got := tree.Dirs("/../etc", false); got != nil {
		t.Error(got)
	}
}

func FuzzRelative(f *testing.F) {
	for _, s := range []string{"/kubepods/podx", "kubepods-podx.slice", "/../x", "a-.slice", ""} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, parent string, systemd bool) {
		rel, err := relative(parent, systemd)
		if err == nil && !filepath.IsLocal(rel) {
			t.Errorf("%q leads to %q", parent, rel)
		}
	})
}
