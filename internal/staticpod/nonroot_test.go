package staticpod

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestRunAsNonRootAgainstTheImage(t *testing.T) {
	yes, no, user := true, false, int64(7)
	for _, tt := range []struct {
		name string
		pod  *corev1.PodSecurityContext
		own  *corev1.SecurityContext
		want bool
	}{
		{"nothing said", nil, nil, false},
		{"pod says", &corev1.PodSecurityContext{RunAsNonRoot: &yes}, nil, true},
		{"container says", nil, &corev1.SecurityContext{RunAsNonRoot: &yes}, true},
		{"container overrides", &corev1.PodSecurityContext{RunAsNonRoot: &yes}, &corev1.SecurityContext{RunAsNonRoot: &no}, false},
		{"pod has a user", &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user}, nil, false},
		{"container has a user", &corev1.PodSecurityContext{RunAsNonRoot: &yes}, &corev1.SecurityContext{RunAsUser: &user}, false},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{SecurityContext: tt.pod}}
		if got := mustNotBeRoot(pod, &corev1.Container{SecurityContext: tt.own}); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	for _, tt := range []struct {
		name  string
		image *cri.Image
		ok    bool
	}{
		{"number", &cri.Image{Uid: &cri.Int64Value{Value: 5}}, true},
		{"zero", &cri.Image{Uid: &cri.Int64Value{}}, false},
		{"nothing is root", &cri.Image{}, false},
		{"a name", &cri.Image{Username: "app"}, false},
	} {
		if err := imageUser("c", tt.image); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
