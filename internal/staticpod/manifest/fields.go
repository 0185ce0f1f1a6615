package manifest

import (
	"slices"
	"strings"
)

// Support is what this version's run mode does with a field.
type Support int

// The zero Support is Refused, so that a row that forgets it lets nothing through.
const (
	Refused   Support = iota // the manifest is not run
	Ignored                  // it has no meaning here; one warning for each time it is written
	Supported                // it has its effect
)

func (s Support) String() string {
	switch s {
	case Supported:
		return "supported"
	case Ignored:
		return "ignored"
	}
	return "refused"
}

// Field is one row of the table of what a manifest may hold.
type Field struct {
	// Path has [] for an index and * for any key of a mapping.
	Path    string
	Support Support
	// Advice says what to use instead, or why the field has no meaning here. Of a supported field it tells the limits.
	Advice string
	// Values of a refused or ignored field mean what happens anyway and are taken in silence. Of a supported field, they
	// are the only ones taken; with Others, the only ones with an effect.
	Values []string
	// Others is true of a supported field whose values beyond Values are ignored with a warning instead of refused.
	Others bool
	// Kubelet says why a kubelet of 1.34 or newer refuses the field in a static pod; empty when it takes it. Instead says
	// what to do about that where Advice does not.
	Kubelet, Instead string
	// Proof names the test that shows a supported field's effect (proofs.go); empty where there is none.
	Proof string
}

// Fields gives the table: every field of a Pod, those of containers and of volumes included, that lies outside what is
// refused or ignored as a whole.
func Fields() []Field { return slices.Clone(table) }

var table = proved(slices.Concat(podFields, podSpecFields, podSecurityFields, containerFields(initContainers), containerFields(containers), volumeFields))

var tableByPath = func() map[string]Field {
	m := make(map[string]Field, len(table))
	for _, f := range table {
		m[f.Path] = f
	}
	// A ConfigMap's and a Secret's own; their metadata is a Pod's.
	for _, path := range []string{"data", "binaryData", "stringData", "immutable", "type"} {
		m[path] = supported(path)
	}
	return m
}()

func rowAt(path string) (Field, bool) {
	f, ok := tableByPath[path]
	return f, ok
}

const (
	byScheduler = "there is no scheduler here; the pod runs on this node"
	byServer    = "the API server sets it; it has no meaning in a file"
	refers      = "a kubelet refuses a static pod that refers to "
	dataAsFile  = "put the data into a file on this node and mount it with a hostPath volume"
	secretFile  = dataAsFile + " of mode 0600"
	envAsValue  = "write the value with env"
	noAccount   = "mount a kubeconfig with a hostPath volume"
	noDevice    = "mount the device with a hostPath volume of type CharDevice"
	ownedByRoot = "the files belong to root; use securityContext.fsGroup to give them to a group"

	initContainers = "spec.initContainers[]"
	containers     = "spec.containers[]"
)

func supported(path string) Field { return Field{Path: path, Support: Supported} }
func ignored(path, why string, harmless ...string) Field {
	return Field{Path: path, Support: Ignored, Advice: why, Values: harmless}
}
func refused(path, advice string, harmless ...string) Field {
	return Field{Path: path, Advice: advice, Values: harmless}
}

// kubelet adds why a kubelet refuses the field, and what to do then where that is not the field's own advice.
func (f Field) kubelet(why string, instead ...string) Field {
	f.Kubelet, f.Instead = why, strings.Join(instead, "; ")
	return f
}

// but tells the limits of a supported field.
func (f Field) but(limits string) Field { f.Advice = limits; return f }

// others ignores what is none of a supported field's values.
func (f Field) others() Field { f.Others = true; return f }

// only restricts a supported field to some values.
func (f Field) only(advice string, values ...string) Field {
	f.Advice, f.Values = advice, values
	return f
}

var podFields = []Field{
	supported("apiVersion"),
	supported("kind"),
	supported("spec"),
	ignored("status", byServer, "{}"),

	supported("metadata"),
	supported("metadata.name"),
	supported("metadata.namespace"),
	supported("metadata.labels"),
	supported("metadata.annotations"),
	refused("metadata.generateName", "write a fixed name with metadata.name", ""),
	ignored("metadata.selfLink", byServer, ""),
	ignored("metadata.uid", "the agent derives a pod's UID from namespace, name and node", ""),
	ignored("metadata.resourceVersion", byServer, ""),
	ignored("metadata.generation", byServer, "0"),
	ignored("metadata.creationTimestamp", byServer),
	ignored("metadata.deletionTimestamp", byServer+"; to be rid of the object, remove it from the folder"),
	ignored("metadata.deletionGracePeriodSeconds", byServer),
	ignored("metadata.ownerReferences", byServer),
	ignored("metadata.finalizers", byServer),
	ignored("metadata.managedFields", byServer),
}
