package manifest

import (
	"path"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var hostPathTypes = []corev1.HostPathType{
	corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate, corev1.HostPathDirectory, corev1.HostPathFileOrCreate, corev1.HostPathFile,
	corev1.HostPathSocket, corev1.HostPathCharDev, corev1.HostPathBlockDev,
}

// volume checks one of the pod's volumes and takes down its name.
func (v validator) volume(vol *corev1.Volume, p place) {
	v.fail(p.field("name"), dnsLabel(vol.Name))
	if vol.Name != "" && v.volumes[vol.Name] {
		v.at(p.field("name"), "another volume of the pod is named "+quoted(vol.Name), "volume names are unique in a pod")
	}
	v.volumes[vol.Name] = true
	if n := sources(vol.VolumeSource); n > 1 {
		v.at(p, "a volume has exactly one source, got more", "keep one")
	}
	if h := vol.HostPath; h != nil {
		v.hostPath(h, p.field("hostPath"))
	}
	if e := vol.EmptyDir; e != nil {
		v.emptyDir(e, p.field("emptyDir"))
	}
	v.dataVolume(vol, p)
}

// sources counts the sources that a volume names.
func sources(s corev1.VolumeSource) int {
	n := 0
	for _, f := range reflect.ValueOf(s).Fields() {
		if !f.IsNil() {
			n++
		}
	}
	return n
}

func (v validator) hostPath(h *corev1.HostPathVolumeSource, p place) {
	at := p.field("path")
	switch {
	case h.Path == "":
		v.at(at, "required", "")
	case upwards(h.Path):
		v.at(at, quoted(h.Path)+" may not hold ..", "write the path out")
	case v.opts.Mode == Run && !path.IsAbs(h.Path):
		v.at(at, quoted(h.Path)+" is not an absolute path", "begin it with /")
	}
	if slices.Contains(hostPathTypes, *h.Type) {
		return
	}
	// oneOf would show the empty type as nothing at all.
	oneOf(v, p.field("type"), *h.Type, hostPathTypes[1:]...)
}

func (v validator) emptyDir(e *corev1.EmptyDirVolumeSource, p place) {
	if e.SizeLimit == nil {
		return
	}
	at := p.field("sizeLimit")
	switch {
	case e.SizeLimit.Sign() < 0:
		v.at(at, "must not be negative", "")
	case v.opts.Mode == Run && e.Medium == corev1.StorageMediumMemory && e.SizeLimit.Sign() == 0 && at.key.line > 0:
		v.warn(at, "0 sets no limit", "remove it, or write a size")
	case v.opts.Mode == Run && e.Medium == corev1.StorageMediumDefault:
		v.warn(at.atKey(), "ignored: it is not enforced on disk", "use medium: Memory, or a file system of that size with a hostPath volume")
	}
}

// upwards tells whether one of a path's elements is ..
func upwards(p string) bool { return slices.Contains(strings.Split(p, "/"), "..") }

func (v validator) mounts(c *corev1.Container, p place) {
	seen := map[string]bool{}
	for i := range c.VolumeMounts {
		m, at := &c.VolumeMounts[i], p.index(i)
		switch {
		case m.Name == "":
			v.at(at.field("name"), "required", "name one of spec.volumes")
		case !v.volumes[m.Name]:
			fix := "add it to spec.volumes"
			if near := v.nearKey(m.Name, v.volumes); near != "" {
				fix = "did you mean " + short(near) + "?"
			}
			v.at(at.field("name"), "the pod has no volume "+quoted(m.Name), fix)
		}
		v.mount(m, c, at)
		at = at.field("mountPath")
		switch {
		case m.MountPath == "":
			v.at(at, "required", "")
		case seen[m.MountPath]:
			v.at(at, "another volume of the container is mounted at "+quoted(m.MountPath), "")
		case v.opts.Mode == Run && path.Clean("/"+m.MountPath) == "/":
			v.at(at, "the container's root cannot be a mount", "mount it below /")
		case strings.HasSuffix(m.MountPath, ":ro"), strings.HasSuffix(m.MountPath, ":rw"):
			v.warn(at, quoted(m.MountPath)+" is taken as the path, the part behind the colon included", "write the path alone, and readOnly: true beside it")
		}
		seen[m.MountPath] = true
	}
}

// mount checks how a volume is mounted.
func (v validator) mount(m *corev1.VolumeMount, c *corev1.Container, p place) {
	if m.SubPath != "" {
		v.fail(p.field("subPath"), descending(m.SubPath))
	}
	if m.SubPathExpr != "" {
		if m.SubPath != "" {
			v.at(p.field("subPathExpr"), "subPath and subPathExpr exclude each other", "keep one")
		}
		v.fail(p.field("subPathExpr"), descending(m.SubPathExpr))
	}
	if m.MountPropagation == nil {
		return
	}
	at := p.field("mountPropagation")
	oneOf(v, at, *m.MountPropagation, corev1.MountPropagationNone, corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional)
	sc := c.SecurityContext
	if *m.MountPropagation == corev1.MountPropagationBidirectional && (sc == nil || sc.Privileged == nil || !*sc.Privileged) {
		v.at(at, "Bidirectional is for privileged containers", "use HostToContainer, or securityContext.privileged")
	}
}
