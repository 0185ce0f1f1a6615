package manifest

import "strings"

// proofs names, for the path of a supported field, the test that reads its effect from inside a container, from /proc or from
// cgroupfs. What is said of a container counts for an init container too, unless the latter has a line of its own.
var proofs = map[string]string{}

func proved(fields []Field) []Field {
	for i := range fields {
		f := &fields[i]
		if f.Support != Supported {
			continue
		}
		var own bool
		if f.Proof, own = proofs[f.Path]; !own && strings.HasPrefix(f.Path, initContainers) {
			f.Proof = proofs[containers+strings.TrimPrefix(f.Path, initContainers)]
		}
	}
	return fields
}
