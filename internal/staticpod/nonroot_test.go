package staticpod

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
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

func TestGroupAloneGetsTheUserOfTheImage(t *testing.T) {
	group, five := int64(2000), &cri.Int64Value{Value: 5}
	pod := corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{RunAsGroup: &group}}
	for _, tt := range []struct {
		image *cri.Image
		uid   *cri.Int64Value
		name  string
	}{{&cri.Image{Uid: five}, five, ""}, {&cri.Image{Username: "app"}, nil, "app"}, {&cri.Image{}, &cri.Int64Value{}, ""}} {
		sc := security(&pod, &corev1.Container{}, "")
		withImageUser(sc, tt.image)
		if sc.GetRunAsGroup().GetValue() != group || !proto.Equal(sc.GetRunAsUser(), tt.uid) || sc.GetRunAsUsername() != tt.name {
			t.Errorf("%v: %v", tt.image, sc)
		}
	}
	if sc := sandboxConfig(&corev1.Pod{Spec: pod}, identity{}, place{}, 0).GetLinux().GetSecurityContext(); sc.GetRunAsGroup() != nil {
		t.Errorf("the sandbox has the group alone, which no runtime takes: %v", sc)
	}
}

// A runtime refuses a group alone.
func TestContainerWithAGroupAlone(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("web.yaml", manifestOf("web", image1, "securityContext: {runAsGroup: 2000}"))
		after(time.Second)
		if sc := n.running("web").Config.GetLinux().GetSecurityContext(); sc.GetRunAsUser() == nil || sc.GetRunAsGroup().GetValue() != 2000 {
			n.t.Errorf("%v", sc)
		}
	})
}
