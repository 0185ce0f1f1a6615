package volume

import (
	"errors"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/downward"
)

// Kinds that Objects is asked for.
const (
	ConfigMap = "ConfigMap"
	Secret    = "Secret"
)

// Input is what volumes are made of. What it refers to must not change afterwards: a call that hangs may still read it.
type Input struct {
	// Dir is the pod's own folder, absolute. It is made if it is missing.
	Dir string
	// Objects gives the data of a ConfigMap (data and binaryData) or Secret, by key.
	Objects func(kind, namespace, name string) (data map[string][]byte, ok bool)
	// Facts of the pod, whose spec names the volumes.
	Facts downward.Facts
	// Made is called with a path before something is mounted there, so that the mount is known even if the agent dies right after. An
	// error means that the mount is not made.
	Made func(path string) error
	// Calls that are in flight, one for the whole daemon.
	Calls *Calls
}

func (in Input) check() error {
	switch {
	case !filepath.IsAbs(in.Dir) || filepath.Clean(in.Dir) != in.Dir || in.Dir == "/":
		return fmt.Errorf("the pod's folder %q is not a clean absolute path", in.Dir)
	case in.Facts.Pod == nil || in.Calls == nil || in.Made == nil || in.Objects == nil:
		return errors.New("volumes need the pod, Objects, Made and Calls")
	}
	for _, v := range in.Facts.Pod.Spec.Volumes {
		if err := plainName("volume", v.Name); err != nil {
			return err
		}
	}
	return nil
}

// plainName holds a name that becomes a folder. The manifest's rules are stricter; what they let through by mistake must not lead out.
func plainName(what, name string) error {
	if name == "." || filepath.Base(name) != name || !filepath.IsLocal(name) {
		return fmt.Errorf("%s name %q can't be the name of a folder", what, name)
	}
	return nil
}

// path of a volume on the node; "" for a kind that is not served.
func (in Input) path(v *corev1.Volume) string {
	kind := ""
	switch {
	case v.HostPath != nil:
		return v.HostPath.Path
	case v.EmptyDir != nil:
		kind = "kubernetes.io~empty-dir"
	case v.ConfigMap != nil:
		kind = "kubernetes.io~configmap"
	case v.Secret != nil:
		kind = "kubernetes.io~secret"
	case v.DownwardAPI != nil:
		kind = "kubernetes.io~downward-api"
	case v.Projected != nil:
		kind = "kubernetes.io~projected"
	default:
		return ""
	}
	return filepath.Join(in.Dir, "volumes", kind, v.Name)
}

// written says whether a volume's files are written by us: such a volume is read-only for containers.
func written(v *corev1.Volume) bool {
	return v.ConfigMap != nil || v.Secret != nil || v.DownwardAPI != nil || v.Projected != nil
}

// fsGroup of the pod; nil if it has none.
func (in Input) fsGroup() *int64 {
	if sc := in.Facts.Pod.Spec.SecurityContext; sc != nil {
		return sc.FSGroup
	}
	return nil
}

// Missing is a ConfigMap or Secret that a volume needs and that is not there, or a Key that it does not have.
type Missing struct {
	Kind, Namespace, Name string
	Key                   string // "" if the object itself is missing
}

func (m Missing) Error() string {
	if m.Key == "" {
		return fmt.Sprintf("%s %s/%s is not there: put it into the manifest folder, or set optional: true where it is used", m.Kind, m.Namespace, m.Name)
	}
	return fmt.Sprintf("%s %s/%s has no key %q: add the key, or set optional: true where it is used", m.Kind, m.Namespace, m.Name, m.Key)
}
