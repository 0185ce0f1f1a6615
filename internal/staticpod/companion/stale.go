package companion

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fingerprint identifies a pod as a kubelet sees it: decoded, with defaults, without keys it does not know. A change of the file
// that leaves it alone changes nothing for a kubelet.
func fingerprint(pod *corev1.Pod) string {
	b, err := json.Marshal(pod)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// differences is the proof that running containers were made from another content than the manifest's, as sentences without
// values. What the runtime does not tell, or what a kubelet fills in by itself, proves nothing.
func differences(pod *corev1.Pod, running []Container) []string {
	var out []string
	for _, c := range running {
		if c.State != cri.ContainerState_CONTAINER_RUNNING || c.Type == "ephemeral" {
			continue
		}
		spec := find(&pod.Spec, c.Name)
		if spec == nil {
			out = append(out, "container "+c.Name+" runs and is not in the manifest")
			continue
		}
		if c.Wanted != "" && c.Wanted != spec.Image {
			out = append(out, "container "+c.Name+" runs image "+c.Wanted+", the manifest says "+spec.Image)
		}
		if c.Status == nil || c.Status.Process == nil {
			continue
		}
		p := c.Status.Process
		if differ(p.Command, spec.Command) {
			out = append(out, "the command of container "+c.Name+" differs from the manifest")
		}
		if differ(p.Args, spec.Args) {
			out = append(out, "the arguments of container "+c.Name+" differ from the manifest")
		}
		for _, e := range spec.Env {
			if e.ValueFrom != nil || strings.Contains(e.Value, "$") || last(spec.Env, e.Name) != e.Value {
				continue
			}
			if got, ok := p.Env[e.Name]; !ok || got != e.Value && got != base64.StdEncoding.EncodeToString([]byte(e.Value)) {
				out = append(out, "the environment variable "+e.Name+" of container "+c.Name+" differs from the manifest")
			}
		}
	}
	slices.Sort(out)
	return out
}

// last is the value that counts where a name stands more than once.
func last(env []corev1.EnvVar, name string) string {
	for _, e := range slices.Backward(env) {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// differ compares word for word; words in which a kubelet expands $(NAME) count as equal.
func differ(got, want []string) bool {
	return !slices.EqualFunc(got, want, func(g, w string) bool { return g == w || strings.Contains(w, "$") })
}

func find(spec *corev1.PodSpec, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}
