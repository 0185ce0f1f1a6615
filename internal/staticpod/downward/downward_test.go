package downward

import (
	"math"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func facts() Facts {
	return Facts{
		Pod: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Labels:      map[string]string{"tier": "edge", "app.kubernetes.io/name": "web"},
				Annotations: map[string]string{"note": "two\nlines and \"quotes\"", "a": "1"},
			},
			Spec: corev1.PodSpec{ServiceAccountName: "runner"},
		},
		FullName: "web-n1", Namespace: "default", UID: "u-1", NodeName: "n1", HostIPs: []string{"192.0.2.7", "2001:db8::7"},
		PodIPs: []string{"10.244.0.5", "fd00::5"}, CapacityMilliCPU: 2500, CapacityMemory: 4 << 30,
	}
}

func TestField(t *testing.T) {
	tests := []struct{ path, want, wrong string }{
		{path: "metadata.name", want: "web-n1"},
		{path: "metadata.namespace", want: "default"},
		{path: "metadata.uid", want: "u-1"},
		{path: "metadata.labels", want: "app.kubernetes.io/name=\"web\"\ntier=\"edge\""},
		{path: "metadata.annotations", want: "a=\"1\"\nnote=\"two\\nlines and \\\"quotes\\\"\""},
		{path: "metadata.labels['tier']", want: "edge"},
		{path: "metadata.labels['app.kubernetes.io/name']", want: "web"},
		{path: "metadata.annotations['note']", want: "two\nlines and \"quotes\""},
		{path: "metadata.labels['none']", want: ""},
		{path: "spec.nodeName", want: "n1"},
		{path: "spec.serviceAccountName", want: "runner"},
		{path: "status.hostIP", want: "192.0.2.7"},
		{path: "status.hostIPs", want: "192.0.2.7,2001:db8::7"},
		{path: "status.podIP", want: "10.244.0.5"},
		{path: "status.podIPs", want: "10.244.0.5,fd00::5"},
		{path: "metadata.name['x']", wrong: "takes no key"},
		{path: "['x']", wrong: "is not served"},
		{path: "metadata.labels['x'", wrong: "is not served"},
		{path: "spec.hostname", wrong: "spec.hostname is not served"},
		{path: "", wrong: "is not served"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			got, err := Field(tt.path, facts())
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("error %v, want %q in it", err, tt.wrong)
			}
		})
	}
}

func TestUnknownAddresses(t *testing.T) {
	f := facts()
	f.PodIPs = nil
	if v, err := Field("status.podIP", f); err == nil {
		t.Errorf("an address that is not known is given as %q", v)
	}
	f.Pod.Spec.HostNetwork = true
	if v, err := Field("status.podIPs", f); err != nil || v != "192.0.2.7,2001:db8::7" {
		t.Errorf("in the host's network the pod's addresses are %q, %v", v, err)
	}
	f.HostIPs = []string{""}
	for _, path := range []string{"status.podIP", "status.hostIP"} {
		if v, err := Field(path, f); err == nil {
			t.Errorf("%s is given as %q with no address known", path, v)
		}
	}
}

func container(limits, requests corev1.ResourceList) *corev1.Container {
	return &corev1.Container{Name: "c", Resources: corev1.ResourceRequirements{Limits: limits, Requests: requests}}
}

func TestResource(t *testing.T) {
	q := resource.MustParse
	c := container(corev1.ResourceList{"cpu": q("1200m"), "memory": q("100Mi"), "ephemeral-storage": q("1G")},
		corev1.ResourceList{"cpu": q("250m"), "memory": q("10M"), "ephemeral-storage": q("1")})
	bare := container(nil, nil)
	tests := []struct {
		c                          *corev1.Container
		resource, divisor, want, e string
	}{
		{c, "limits.cpu", "", "2", ""},
		{c, "limits.cpu", "1", "2", ""},
		{c, "limits.cpu", "1m", "1200", ""},
		{c, "limits.memory", "", "104857600", ""},
		{c, "limits.memory", "1Mi", "100", ""},
		{c, "limits.memory", "1M", "105", ""},
		{c, "limits.memory", "1Gi", "1", ""},
		{c, "limits.ephemeral-storage", "1Ki", "976563", ""},
		{c, "requests.cpu", "", "1", ""},
		{c, "requests.cpu", "1m", "250", ""},
		{c, "requests.memory", "1Mi", "10", ""},
		{c, "requests.ephemeral-storage", "", "1", ""},
		{bare, "limits.cpu", "", "3", ""},
		{bare, "limits.cpu", "1m", "2500", ""},
		{bare, "limits.memory", "1Mi", "4096", ""},
		{bare, "requests.cpu", "1m", "0", ""},
		{bare, "requests.memory", "", "0", ""},
		{container(corev1.ResourceList{"memory": q("5")}, nil), "requests.memory", "", "5", ""},
		{container(corev1.ResourceList{"memory": q("0")}, nil), "limits.memory", "1Gi", "4", ""},
		{bare, "limits.ephemeral-storage", "", "", "set a limit"},
		{c, "limits.cpu", "-1", "", "makes no sense"},
		{c, "limits.hugepages-2Mi", "", "", "is not served"},
		{c, "cpu", "", "", "is not served"},
		{c, "", "", "", "is not served"},
		{container(corev1.ResourceList{"memory": *resource.NewQuantity(math.MaxInt64, resource.BinarySI)}, nil), "limits.memory", "", "9223372036854775807", ""},
	}
	for _, tt := range tests {
		t.Run(tt.resource+" in "+tt.divisor, func(t *testing.T) {
			ref := &corev1.ResourceFieldSelector{Resource: tt.resource}
			if tt.divisor != "" {
				ref.Divisor = q(tt.divisor)
			}
			got, err := Resource(tt.c, ref, facts())
			if got != tt.want || (err == nil) != (tt.e == "") || err != nil && !strings.Contains(err.Error(), tt.e) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.e)
			}
		})
	}
	if v, err := Resource(bare, &corev1.ResourceFieldSelector{Resource: "limits.cpu"}, Facts{}); err == nil {
		t.Errorf("an unknown capacity is given as %q", v)
	}
}

func FuzzField(f *testing.F) {
	for _, s := range []string{"metadata.name", "metadata.labels['tier']", "metadata.labels['", "['']", "status.podIPs", "metadata.labels['a']['b']"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if v, err := Field(path, facts()); err != nil && v != "" {
			t.Errorf("both a value %q and an error %v", v, err)
		}
	})
}

// FuzzResource holds that the result is the least whole number of units that is enough.
func FuzzResource(f *testing.F) {
	f.Add(int64(100<<20), int64(1<<20))
	f.Add(int64(1), int64(3))
	f.Add(int64(math.MaxInt64), int64(1))
	f.Fuzz(func(t *testing.T, amount, unit int64) {
		c := container(corev1.ResourceList{"memory": *resource.NewQuantity(amount, resource.BinarySI)}, nil)
		ref := &corev1.ResourceFieldSelector{Resource: "limits.memory", Divisor: *resource.NewQuantity(unit, resource.BinarySI)}
		v, err := Resource(c, ref, facts())
		if err != nil || amount <= 0 || unit <= 0 {
			return
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 || (n-1) > (amount-1)/unit || n <= (amount-1)/unit {
			t.Errorf("%d in units of %d is %s (%v)", amount, unit, v, err)
		}
	})
}
