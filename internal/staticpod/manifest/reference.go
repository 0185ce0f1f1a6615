package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// RestartAnnotation on a Pod, with the value "true", replaces it when an object changes that it reads as environment or through a
// subPath, where a change does not reach a running container.
const RestartAnnotation = "nodeagent/restart-on-config-change"

// Reference is what a pod reads of the folder's objects. There is one for each key.
type Reference struct {
	Key ObjectKey
	// Optional is true if the pod runs without the object wherever it refers to it.
	Optional bool
	// Env is true if a container reads it as environment, SubPath if one mounts a part of it with subPath. Neither follows a
	// change while the container runs.
	Env, SubPath bool
}

// References gives the ConfigMaps and Secrets that a pod reads, in the order in which they first stand in it: volumes, then
// init containers, then containers. They lie in the pod's own namespace, which is default when it has none.
func References(pod *corev1.Pod) []Reference {
	c := collector{namespace: pod.Namespace, at: map[ObjectKey]int{}}
	if c.namespace == "" {
		c.namespace = corev1.NamespaceDefault
	}
	parts := map[string]bool{} // volumes of which a part is mounted
	all := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	for _, ct := range all {
		for _, m := range ct.VolumeMounts {
			if m.SubPath != "" || m.SubPathExpr != "" {
				parts[m.Name] = true
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		add := func(kind, name string, optional *bool) { c.add(kind, name, optional, false, parts[v.Name]) }
		if s := v.ConfigMap; s != nil {
			add(kindConfigMap, s.Name, s.Optional)
		}
		if s := v.Secret; s != nil {
			add(kindSecret, s.SecretName, s.Optional)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				add(kindConfigMap, s.ConfigMap.Name, s.ConfigMap.Optional)
			}
			if s.Secret != nil {
				add(kindSecret, s.Secret.Name, s.Secret.Optional)
			}
		}
	}
	for _, ct := range all {
		c.environment(ct)
	}
	return c.out
}

type collector struct {
	namespace string
	out       []Reference
	at        map[ObjectKey]int // index in out
}

func (c *collector) add(kind, name string, optional *bool, env, subPath bool) {
	key := ObjectKey{Kind: kind, Namespace: c.namespace, Name: name}
	may := optional != nil && *optional
	if i, there := c.at[key]; there {
		r := &c.out[i]
		r.Optional, r.Env, r.SubPath = r.Optional && may, r.Env || env, r.SubPath || subPath
		return
	}
	c.at[key] = len(c.out)
	c.out = append(c.out, Reference{Key: key, Optional: may, Env: env, SubPath: subPath})
}

func (c *collector) environment(ct corev1.Container) {
	for _, f := range ct.EnvFrom {
		if s := f.ConfigMapRef; s != nil {
			c.add(kindConfigMap, s.Name, s.Optional, true, false)
		}
		if s := f.SecretRef; s != nil {
			c.add(kindSecret, s.Name, s.Optional, true, false)
		}
	}
	for _, e := range ct.Env {
		if e.ValueFrom == nil {
			continue
		}
		if s := e.ValueFrom.ConfigMapKeyRef; s != nil {
			c.add(kindConfigMap, s.Name, s.Optional, true, false)
		}
		if s := e.ValueFrom.SecretKeyRef; s != nil {
			c.add(kindSecret, s.Name, s.Optional, true, false)
		}
	}
}

// HashWith gives the pod's hash together with the objects for which RestartAnnotation asks: Hash, a plus sign and 12 hexadecimal
// digits, or Hash alone without the annotation or without such objects. whole is false if an object is not there without
// which the pod cannot run: nothing should be replaced for that.
func (p Pod) HashWith(object func(ObjectKey) (Object, bool)) (hash string, whole bool) {
	if p.Spec == nil || p.Spec.Annotations[RestartAnnotation] != "true" {
		return p.Hash, true
	}
	refs := slices.DeleteFunc(References(p.Spec), func(r Reference) bool { return !r.Env && !r.SubPath })
	if len(refs) == 0 {
		return p.Hash, true
	}
	slices.SortFunc(refs, func(a, b Reference) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	h, whole := sha256.New(), true
	for _, r := range refs {
		o, there := object(r.Key)
		part(h, []byte(r.Key.String()))
		part(h, []byte(o.Hash))
		whole = whole && (there || r.Optional)
	}
	return p.Hash + "+" + hex.EncodeToString(h.Sum(nil))[:12], whole
}
