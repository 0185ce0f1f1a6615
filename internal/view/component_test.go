package view

import (
	"slices"
	"testing"
)

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		here     []string
		balancer bool
		want     []string
	}{
		{nil, false, nil},
		{nil, true, []string{RoleBalancer}},
		{[]string{"kubelet", "kube-proxy"}, false, []string{RoleWorker}},
		{[]string{"kubelet"}, true, []string{RoleWorker, RoleBalancer}},
		{[]string{"kubelet", "kube-apiserver", "etcd", "kube-scheduler"}, false, []string{RoleControlPlane}},
		{[]string{"kube-controller-manager", "kubelet"}, true, []string{RoleControlPlane, RoleBalancer}},
		{[]string{"etcd"}, false, []string{RoleEtcd}},
		{[]string{"etcd", "kubelet"}, false, []string{RoleEtcd}}, // kubelet starts it as a static pod
		{[]string{"kube-proxy"}, false, nil},
	} {
		all := Components{List: []Component{{Name: "kube-apiserver"}, {Name: "kubelet"}}} // looked for, and not here
		for _, name := range c.here {
			all.List = append(all.List, Component{Name: name, Here: true})
		}
		if got := all.Roles(c.balancer); !slices.Equal(got, c.want) {
			t.Errorf("%v, balancer %v: got %v, want %v", c.here, c.balancer, got, c.want)
		}
	}
}
