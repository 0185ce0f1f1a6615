package compat

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/helper"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the types with their conversions and defaults
	conversions "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/capabilities"
)

// TestMain allows what a kubelet allows.
func TestMain(m *testing.M) {
	capabilities.Setup(true, 0)
	os.Exit(m.Run())
}

// kubeletVerdict is what a kubelet makes of one document.
type kubeletVerdict struct {
	// Pod has the API's defaults and what a kubelet adds to a static pod; nil when the document decodes to no Pod.
	Pod *corev1.Pod
	// Unread is why the document does not decode to a Pod; nil when it does.
	Unread error
	// Invalid is what validation finds, each with the path of its field.
	Invalid field.ErrorList
	// Reference names what the pod refers to of the API server's objects, which a kubelet refuses in a static pod.
	Reference string
}

// valid tells whether the document is a valid Pod, whatever it refers to.
func (k kubeletVerdict) valid() bool { return k.Unread == nil && len(k.Invalid) == 0 }

// runs tells whether a kubelet runs the document as a static pod.
func (k kubeletVerdict) runs() bool { return k.valid() && k.Reference == "" }

func (k kubeletVerdict) why() string {
	switch {
	case k.Unread != nil:
		return k.Unread.Error()
	case len(k.Invalid) > 0:
		return k.Invalid.ToAggregate().Error()
	case k.Reference != "":
		return "it refers to " + k.Reference
	}
	return ""
}

// kubelet does with a document what the file source of a kubelet on the node does: decode with defaults, name, validate, and
// look for references to objects of the API.
func kubelet(document []byte, node string) kubeletVerdict {
	json, err := utilyaml.ToJSON(document)
	if err != nil {
		return kubeletVerdict{Unread: fmt.Errorf("read the YAML: %w", err)}
	}
	object, err := runtime.Decode(legacyscheme.Codecs.UniversalDecoder(), json)
	if err != nil {
		return kubeletVerdict{Unread: fmt.Errorf("decode: %w", err)}
	}
	pod, ok := object.(*core.Pod)
	switch {
	case !ok:
		return kubeletVerdict{Unread: fmt.Errorf("a %T is no Pod", object)}
	case pod.Name == "":
		return kubeletVerdict{Unread: errors.New("a static pod needs a name")}
	}
	pod.Name += "-" + strings.ToLower(node)
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	pod.Spec.NodeName = node
	helper.AddOrUpdateTolerationInPod(pod, &core.Toleration{Operator: core.TolerationOpExists, Effect: core.TaintEffectNoExecute})
	var v kubeletVerdict
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&pod.Spec, nil, &pod.ObjectMeta, nil)
	v.Invalid = validation.ValidatePodCreate(pod, options)
	v.Pod = &corev1.Pod{}
	if err := conversions.Convert_core_Pod_To_v1_Pod(pod, v.Pod, nil); err != nil {
		v.Pod, v.Unread = nil, fmt.Errorf("convert: %w", err)
		return v
	}
	if len(v.Invalid) == 0 {
		if _, v.Reference, err = podutil.HasAPIObjectReference(pod); err != nil {
			v.Unread = fmt.Errorf("look for references: %w", err)
		}
	}
	return v
}
