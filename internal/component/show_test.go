package component

import (
	"testing"
	"time"

	"nodeagent/internal/view"
)

// TestComponents: what is shown of a control plane, all of it out of one look.
func TestComponents(t *testing.T) {
	n, s := apiserver(t)
	e := serve(t, nil, time.Time{})
	e.set("/metrics", reply{status: 200, body: well().String()})
	n.manifest(nameEtcd, "--listen-client-urls=https://127.0.0.1:1", "--listen-metrics-urls=http://127.0.0.1:"+e.port())
	n.process(9, "S", "/usr/bin/kubelet")
	deps := Deps{
		Pods:    func() []view.Pod { return []view.Pod{{Name: "kube-apiserver", Phase: view.PhaseRunning, Restarts: 2}} },
		Kubelet: func() Kubelet { return Kubelet{Here: true, PID: 9, Address: "127.0.0.1:1"} },
	}
	got, _ := Look(t.Context(), n.cfg, deps)
	by := map[string]view.Component{}
	for _, c := range got.List {
		by[c.Name] = c
	}
	manifest := n.cfg.Manifests[0] + "/kube-apiserver.yaml"
	if c := by[nameAPIServer]; !c.Here || c.Manifest != manifest || c.Pod != view.PhaseRunning || c.Restarts != 2 || c.Address != "127.0.0.1:"+s.port() {
		t.Errorf("the apiserver is %+v", c)
	}
	if c := by[nameKubelet]; !c.Here || c.PID != 9 {
		t.Errorf("the kubelet is %+v", c)
	}
	if by[nameScheduler].Here || by[nameProxy].Here || len(got.List) != 6 {
		t.Errorf("listed are %+v", got.List)
	}
	want := view.Etcd{Version: "3.5.21", HasLeader: true, IsLeader: true, DBSize: 100 << 20, DBInUse: 50 << 20, DBQuota: 2 << 30, Fsync: 0.00099, Commit: 0.00099}
	if got.Etcd == nil || got.Etcd.Members != nil || got.Etcd.DBSize != want.DBSize || got.Etcd.DBQuota != want.DBQuota || got.Etcd.Fsync != want.Fsync || !got.Etcd.IsLeader || got.Etcd.Version != want.Version {
		t.Errorf("etcd is %+v, want %+v", got.Etcd, want)
	}
}
