package manifest

import "path/filepath"

// Verdict is what a kubelet does with one file of its manifest folder.
type Verdict struct {
	// Pod is what it runs, nil when it runs nothing from the file.
	Pod *Pod
	// Refused is true when the kubelet takes the file for a manifest and rejects it. Otherwise, with no Pod, it does not
	// read the file at all.
	Refused bool
	// Summary is one sentence for people.
	Summary  string
	Problems []Problem
}

// KubeletVerdict tells what a kubelet of 1.34 or newer on the node nodeName does with a file that has the base name of
// the path file. It knows the API's rules for what a static pod's life depends on, not every rule of every field: a
// kubelet may still refuse, for example, a malformed affinity.
func KubeletVerdict(file string, data []byte, nodeName string) Verdict {
	reason, ignored := IgnoredName(filepath.Base(file))
	if ignored && reason == "" {
		return Verdict{Summary: "a kubelet does not read the file: its name begins with a dot"}
	}
	r := Parse(file, data, Options{NodeName: nodeName, Mode: Kubelet})
	v := Verdict{Problems: r.Problems}
	if ignored {
		v.Problems = append([]Problem{{File: file, Message: reason, Warning: true}}, v.Problems...)
	}
	switch {
	case len(r.Pods) == 0 || r.Failed():
		v.Refused = true
		v.Summary = "a kubelet refuses the file, and removes the pod that it ran from it"
	case len(v.Problems) > 0:
		v.Pod = &r.Pods[0]
		v.Summary = "a kubelet runs " + NodePodName(v.Pod.Name, nodeName) + ", but not all of it as written"
	default:
		v.Pod = &r.Pods[0]
		v.Summary = "a kubelet runs " + NodePodName(v.Pod.Name, nodeName)
	}
	return v
}
