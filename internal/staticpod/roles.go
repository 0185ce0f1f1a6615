package staticpod

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// allContainers are the init containers in their order, then the others.
func allContainers(s *corev1.PodSpec) iter.Seq[*corev1.Container] {
	return func(yield func(*corev1.Container) bool) {
		for i := range s.InitContainers {
			if !yield(&s.InitContainers[i]) {
				return
			}
		}
		for i := range s.Containers {
			if !yield(&s.Containers[i]) {
				return
			}
		}
	}
}

// containerOf finds a container of a pod and its role.
func containerOf(s *corev1.PodSpec, name string) (c *corev1.Container, role Role, order int) {
	for i := range s.InitContainers {
		if c := &s.InitContainers[i]; c.Name == name {
			return c, initRole(c), i
		}
	}
	for i := range s.Containers {
		if c := &s.Containers[i]; c.Name == name {
			return c, Main, 0
		}
	}
	return nil, Main, 0
}

func initRole(c *corev1.Container) Role {
	if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
		return Sidecar
	}
	return Init
}

// restartPolicy of one container of a pod: a sidecar is always started again, an init container only until it ends well.
func restartPolicy(s *corev1.PodSpec, name string) corev1.RestartPolicy {
	_, role, _ := containerOf(s, name)
	switch {
	case role == Sidecar:
		return corev1.RestartPolicyAlways
	case role == Init && s.RestartPolicy == corev1.RestartPolicyAlways:
		return corev1.RestartPolicyOnFailure
	}
	return s.RestartPolicy
}

// roleText is how a role stands beside a container in the runtime, so that one whose manifest is gone is stopped in the right order.
func roleText(role Role, order int) string {
	switch role {
	case Init:
		return fmt.Sprintf("init:%d", order)
	case Sidecar:
		return fmt.Sprintf("sidecar:%d", order)
	}
	return ""
}

func roleFrom(text string) (Role, int) {
	kind, number, _ := strings.Cut(text, ":")
	order, err := strconv.Atoi(number)
	if err != nil {
		return Main, 0
	}
	switch kind {
	case "init":
		return Init, order
	case "sidecar":
		return Sidecar, order
	}
	return Main, 0
}

func sharesProcesses(s *corev1.PodSpec) bool {
	return s.HostPID || (s.ShareProcessNamespace != nil && *s.ShareProcessNamespace)
}

// readsObjects reports whether a container takes from ConfigMaps or Secrets what does not change while it runs, its environment and single
// files: each attempt of it must be made when it starts.
func readsObjects(s *corev1.PodSpec, c *corev1.Container) bool {
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" && slices.ContainsFunc(s.Volumes, func(v corev1.Volume) bool {
			return v.Name == m.Name && (v.ConfigMap != nil || v.Secret != nil || v.Projected != nil)
		}) {
			return true
		}
	}
	for _, e := range c.EnvFrom {
		if e.ConfigMapRef != nil || e.SecretRef != nil {
			return true
		}
	}
	for _, e := range c.Env {
		if f := e.ValueFrom; f != nil && (f.ConfigMapKeyRef != nil || f.SecretKeyRef != nil) {
			return true
		}
	}
	return false
}

// readsFiles reports whether any volume of the pod is made of objects that may change.
func readsFiles(s *corev1.PodSpec) bool {
	return slices.ContainsFunc(s.Volumes, func(v corev1.Volume) bool { return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil })
}
