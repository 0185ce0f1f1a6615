package companion

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// kubeadmEtcd has the form of what kubeadm writes, with all that a kubelet accepts in silence.
const kubeadmEtcd = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.1:2379
  creationTimestamp: null
  labels:
    component: etcd
    tier: control-plane
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    image: registry.k8s.io/etcd:3.6.4-0
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: probe-port
        scheme: HTTP
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 15
    name: etcd
    ports:
    - containerPort: 2381
      name: probe-port
      protocol: TCP
    resources:
      requests:
        cpu: 100m
        memory: 100Mi
    startupProbe:
      failureThreshold: 24
      httpGet:
        host: 127.0.0.1
        path: /readyz
        port: probe-port
        scheme: HTTP
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: etcd-data
status: {}
`

func TestJudgeFiles(t *testing.T) {
	want := map[string]string{
		"api.yaml":    "ok",
		"bad.yaml":    "failing Invalid",
		"dir":         "absent",
		"etcd.yaml":   "ok",
		"fifo":        "failing KubeletIgnores",
		"gone.yaml":   "failing Unreadable",
		"secret.yaml": "unknown Unreadable",
		"typo.yaml":   "failing KubeletIgnores",
		"volume.yaml": "failing KubeletRefuses",
		"web.yaml":    "failing DuplicateName",
		"web.yaml~":   "failing IgnoredName",
	}
	f := folderOf(
		file("api.yaml", pod("api", "registry.test/api:1")),
		file("bad.yaml", "a: [b"),
		file("etcd.yaml", kubeadmEtcd),
		File{Name: "dir", Kind: Directory},
		File{Name: "fifo", Kind: Special},
		File{Name: "gone.yaml", Kind: Gone, Err: "leads nowhere"},
		File{Name: "secret.yaml", Err: "permission denied"},
		file("typo.yaml", strings.Replace(pod("typo", "registry.test/typo:1"), "hostNetwork", "hostNetwrok", 1)),
		file("volume.yaml", pod("volume", "registry.test/volume:1", "serviceAccountName: x")),
		file("web.yaml", web),
		file("web.yaml~", web),
	)
	j := judge(input(f, nil), Memory{}, t0)
	got := map[string]string{}
	for _, x := range j.Manifests {
		got[x.Subject] = strings.TrimSpace(x.Status.String() + " " + reasonName(x))
		if x.Status != health.OK && x.Message == "" {
			t.Errorf("%s: no message", x.Subject)
		}
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s: %q, want %q", k, got[k], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("findings %v", got)
	}
}

func TestNothingThere(t *testing.T) {
	for _, tt := range []struct {
		name             string
		in               func(*Input)
		static, manifest string
	}{
		{"empty folder", func(*Input) {}, "absent", "absent"},
		{"no folder", func(in *Input) { in.Folder = &Folder{Path: "/m", Missing: true} }, "absent", "absent"},
		{"no kubelet, no folder", func(in *Input) { in.Folder, in.Kubelet = &Folder{Path: "/m", Missing: true}, false }, "absent", "absent"},
		{"no path", func(in *Input) { in.Folder, in.NoFolder = nil, "none" }, "absent", "absent"},
		{"runtime away", func(in *Input) { in.Runtime.Err = "away" }, "unknown RuntimeUnknown", "absent"},
		{"a node with none of it", func(in *Input) {
			in.Folder, in.Kubelet, in.Runtime.Err = &Folder{Path: "/m", Missing: true}, false, "no socket"
		}, "absent", "absent"},
		{"folder unreadable", func(in *Input) { in.Folder = &Folder{Path: "/m", Err: "denied"} }, "unknown ManifestsUnknown", "unknown Unreadable"},
		{"folder gone under a pod", func(in *Input) {
			in.Folder = &Folder{Path: "/m", Missing: true}
			in.Runtime.Sandboxes = []Sandbox{box("s", "web", "u", true)}
		}, "absent", "failing FolderMissing"},
		{"only a bad file", func(in *Input) { in.Folder = folderOf(file("x", "[")) }, "failing Refused", "failing Invalid"},
		{"polled", func(in *Input) { in.Unwatched = "polled" }, "absent", "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(folderOf(), nil)
			tt.in(&in)
			j := judge(in, Memory{}, t0)
			s := func(f health.Finding) string { return strings.TrimSpace(f.Status.String() + " " + reasonName(f)) }
			if len(j.StaticPod) != 1 || len(j.Manifests) != 1 || s(j.StaticPod[0]) != tt.static || s(j.Manifests[0]) != tt.manifest {
				t.Errorf("%+v\n%+v", j.StaticPod, j.Manifests)
			}
			for _, f := range append(j.StaticPod, j.Manifests...) {
				if f.Message == "" {
					t.Errorf("no message: %+v", f)
				}
			}
		})
	}
}

func TestAnotherNodeName(t *testing.T) {
	in := input(webFolder(), []Sandbox{{ID: "s1", Namespace: "kube-system", Name: "web-oldname", UID: "u", Source: "file", Ready: true}})
	j := judge(in, Memory{}, t0)
	if len(j.Pods) != 2 {
		t.Fatalf("%+v", j.Pods)
	}
	if p := j.Pods[0]; p.Phase != view.PhaseMissing || !strings.Contains(p.Message, "web-oldname runs, but this node is node-1 (test): set nodeName") {
		t.Errorf("%s %q", p.Phase, p.Message)
	}
	if p := j.Pods[1]; p.Name != "web-oldname" || p.Phase != view.PhaseNoManifest {
		t.Errorf("%s %s", p.Name, p.Phase)
	}
}

func TestDelay(t *testing.T) {
	for level, want := range []int{0, 10, 20, 40, 80, 160, 300, 300} {
		if got := delay(level, 10*time.Second, 300*time.Second); got != time.Duration(want)*time.Second {
			t.Errorf("level %d: %v, want %d s", level, got, want)
		}
	}
	if got := delay(1<<40, 10*time.Second, 300*time.Second); got != 300*time.Second {
		t.Errorf("a huge level: %v", got)
	}
}

func TestManyPodsStayApart(t *testing.T) {
	var fs []File
	var boxes []Sandbox
	var cs []Container
	for i := range 100 {
		n := fmt.Sprintf("p%d", i)
		fs = append(fs, file(n+".yaml", pod(n, "registry.test/"+n+":1")))
		if i%2 == 0 {
			boxes = append(boxes, box("s"+n, n, "u"+n, true))
			cs = append(cs, running("c"+n, "s"+n, n, 0, hour))
		}
	}
	j := judge(input(folderOf(fs...), boxes, cs...), Memory{}, t0)
	n := map[string]int{}
	for _, p := range j.Pods {
		n[p.Phase]++
	}
	if n[view.PhaseRunning] != 50 || n[view.PhaseMissing] != 50 {
		t.Errorf("%v", n)
	}
}
