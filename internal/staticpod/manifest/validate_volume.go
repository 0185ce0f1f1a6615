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

// volumes checks the pod's volumes and gives their names.
func (v validator) volumes(spec *corev1.PodSpec, p place) []string {
	var names []string
	for i := range spec.Volumes {
		vol, at := &spec.Volumes[i], p.index(i)
		v.fail(at.field("name"), dnsLabel(vol.Name))
		if vol.Name != "" && slices.Contains(names, vol.Name) {
			v.at(at.field("name"), "another volume of the pod is named "+quoted(vol.Name), "volume names are unique in a pod")
		}
		names = append(names, vol.Name)
		if n := sources(vol.VolumeSource); n > 1 {
			v.at(at, "a volume has exactly one source, got more", "keep one")
		}
		if h := vol.HostPath; h != nil {
			v.hostPath(h, at.field("hostPath"))
		}
	}
	return names
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

// upwards tells whether one of a path's elements is ..
func upwards(p string) bool { return slices.Contains(strings.Split(p, "/"), "..") }

func (v validator) mounts(c *corev1.Container, volumes []string, p place) {
	seen := map[string]bool{}
	for i := range c.VolumeMounts {
		m, at := &c.VolumeMounts[i], p.index(i)
		switch {
		case m.Name == "":
			v.at(at.field("name"), "required", "name one of spec.volumes")
		case !slices.Contains(volumes, m.Name):
			fix := "add it to spec.volumes"
			if near := nearest(m.Name, volumes); near != "" {
				fix = "did you mean " + short(near) + "?"
			}
			v.at(at.field("name"), "the pod has no volume "+quoted(m.Name), fix)
		}
		at = at.field("mountPath")
		switch {
		case m.MountPath == "":
			v.at(at, "required", "")
		case strings.Contains(m.MountPath, ":"):
			v.at(at, quoted(m.MountPath)+" may not hold a colon", "")
		case seen[m.MountPath]:
			v.at(at, "another volume of the container is mounted at "+quoted(m.MountPath), "")
		case v.opts.Mode == Run && path.Clean("/"+m.MountPath) == "/":
			v.at(at, "the container's root cannot be a mount", "mount it below /")
		}
		seen[m.MountPath] = true
	}
}
