package cgroup

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Parent of a pod's containers in the form kubelet gives it (pkg/kubelet/cm/cgroup_manager_linux.go), so that what reads kubepods reads
// ours: root/kubepods[/besteffort|/burstable]/pod<uid>, or the slice of the systemd driver, in which a dash parts levels and those of names
// become underscores. It is what a sandbox's cgroup_parent takes.
func Parent(root string, systemd bool, class corev1.PodQOSClass, uid string) string {
	parts := strings.FieldsFunc(root, func(r rune) bool { return r == '/' })
	parts = append(parts, "kubepods")
	switch class {
	case corev1.PodQOSBestEffort:
		parts = append(parts, "besteffort")
	case corev1.PodQOSBurstable:
		parts = append(parts, "burstable")
	}
	parts = append(parts, "pod"+uid)
	if !systemd {
		return "/" + path.Join(parts...)
	}
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "-", "_")
	}
	return strings.Join(parts, "-") + ".slice"
}

// relative is a parent's path below a hierarchy's root, as one that has no step upwards and is not the root itself.
func relative(parent string, systemd bool) (string, error) {
	if systemd {
		return slicePath(parent)
	}
	clean := path.Clean("/" + parent)
	if clean == "/" || strings.Contains("/"+parent+"/", "/../") || strings.ContainsRune(parent, 0) {
		return "", fmt.Errorf("cgroup %q is no path below the root", parent)
	}
	return clean[1:], nil
}

// slicePath expands a slice: a-b-c.slice is a.slice/a-b.slice/a-b-c.slice (systemd.slice(5)).
func slicePath(slice string) (string, error) {
	name, ok := strings.CutSuffix(slice, ".slice")
	if !ok || name == "" || strings.ContainsAny(name, "/\x00") {
		return "", fmt.Errorf("cgroup %q is no slice", slice)
	}
	out, prefix := "", ""
	for part := range strings.SplitSeq(name, "-") {
		if part == "" {
			return "", fmt.Errorf("slice %q has an empty level", slice)
		}
		prefix += part
		out = path.Join(out, prefix+".slice")
		prefix += "-"
	}
	return out, nil
}

// ofPod is relative for a cgroup that is to be made, changed or removed: by its name it must be a pod's, so that no mistake above ever
// reaches a level that others use.
func ofPod(parent string, systemd bool) (string, error) {
	rel, err := relative(parent, systemd)
	if err != nil {
		return "", err
	}
	name := path.Base(rel)
	if systemd {
		name = strings.TrimSuffix(name[strings.LastIndex(name, "-")+1:], ".slice")
	}
	if uid, ok := strings.CutPrefix(name, "pod"); !ok || uid == "" || !strings.Contains(rel, "/") {
		return "", fmt.Errorf("cgroup %q is no pod's", parent)
	}
	return rel, nil
}
