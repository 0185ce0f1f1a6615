package staticpod

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/staticpod/downward"
	"nodeagent/internal/staticpod/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var somewhere = place{Instance: "0123456789abcdef", LogsDir: "/var/log/pods", Resolver: resolver{Servers: []string{"192.0.2.53"}, Searches: []string{"example.test"}}}

func noObjects(string, string, string) (map[string][]byte, bool) { return nil, false }

func factsOf(p *corev1.Pod, id identity, podIPs ...string) downward.Facts {
	return downward.Facts{Pod: p, FullName: id.FullName, Namespace: id.Namespace, UID: id.UID, NodeName: "node", HostIPs: []string{"192.0.2.7"}, PodIPs: podIPs,
		CapacityMilliCPU: 4000, CapacityMemory: 8 << 30}
}

func TestCRIConfig(t *testing.T) {
	for _, name := range []string{"plain", "full"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
			check(t, err)
			r := manifest.Parse(name+".yaml", b, manifest.Options{NodeName: "node"})
			if len(r.Problems) > 0 {
				t.Fatal(r.Problems)
			}
			p := r.Pods[0]
			id := identify(p, "node")
			got := map[string]any{"sandbox": sandboxConfig(p.Spec, id, somewhere, 2)}
			for i := range p.Spec.Spec.Containers {
				c := &p.Spec.Spec.Containers[i]
				config, err := containerConfig(p.Spec, c.Name, id, somewhere, 3, 4, factsOf(p.Spec, id, "10.0.0.9"), noObjects)
				check(t, err)
				if cgroup.QOS(&p.Spec.Spec) == corev1.PodQOSBurstable {
					config.Linux.Resources.OomScoreAdj = 0 // depends on the memory of the machine
				}
				got["container "+c.Name] = config
			}
			text, err := json.MarshalIndent(got, "", "  ")
			check(t, err)
			golden := filepath.Join("testdata", name+".json")
			if *update {
				check(t, os.WriteFile(golden, append(text, '\n'), 0o644))
			}
			want, err := os.ReadFile(golden)
			check(t, err)
			if string(text)+"\n" != string(want) {
				t.Errorf("not as in %s (go test -run %s -update writes it anew):\n%s", golden, t.Name(), text)
			}
		})
	}
}

func quantities(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpu != "" {
		l[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		l[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return l
}

func TestQOSAndOOMScore(t *testing.T) {
	const gi = 1 << 30
	for _, test := range []struct {
		name                       string
		reqCPU, reqMem, cpu, mem   string
		class                      corev1.PodQOSClass
		oom, shares, quota, memory int64
	}{
		{name: "nothing", class: corev1.PodQOSBestEffort, oom: 1000, shares: 2},
		{name: "zero is nothing", reqCPU: "0", mem: "0", class: corev1.PodQOSBestEffort, oom: 1000, shares: 2},
		{name: "limits, defaulted to requests", reqCPU: "500m", reqMem: "1Gi", cpu: "500m", mem: "1Gi", class: corev1.PodQOSGuaranteed, oom: -997, shares: 512, quota: 50000, memory: gi},
		{name: "a quarter of the node", reqMem: "1Gi", class: corev1.PodQOSBurstable, oom: 750, shares: 2},
		{name: "all of the node", reqMem: "4Gi", class: corev1.PodQOSBurstable, oom: 3, shares: 2},
		{name: "a sip", reqMem: "1Ki", class: corev1.PodQOSBurstable, oom: 999, shares: 2},
		{name: "cpu alone", reqCPU: "100m", class: corev1.PodQOSBurstable, oom: 999, shares: 102},
		{name: "limits above requests", reqCPU: "1", reqMem: "2Gi", cpu: "2", mem: "3Gi", class: corev1.PodQOSBurstable, oom: 500, shares: 1024, quota: 200000, memory: 3 * gi},
		{name: "a limit below the kernel's least", cpu: "1m", class: corev1.PodQOSBurstable, oom: 999, shares: 2, quota: 1000},
		{name: "very many cpus", reqCPU: "1000", class: corev1.PodQOSBurstable, oom: 999, shares: 262144},
	} {
		s := &corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: quantities(test.reqCPU, test.reqMem), Limits: quantities(test.cpu, test.mem)}}}}
		c := &s.Containers[0]
		if got := cgroup.QOS(s); got != test.class {
			t.Errorf("%s: class %s", test.name, got)
		}
		if got := oomScoreAdj(s, c, 4*gi); got != test.oom {
			t.Errorf("%s: oom_score_adj %d, want %d", test.name, got, test.oom)
		}
		if r := resources(s, c); r.CpuShares != test.shares || r.CpuQuota != test.quota || r.MemoryLimitInBytes != test.memory || (r.CpuPeriod != 0) != (r.CpuQuota != 0) {
			t.Errorf("%s: %+v", test.name, r)
		}
		s.PriorityClassName = "system-node-critical"
		if got := oomScoreAdj(s, c, 4*gi); got != -997 {
			t.Errorf("%s: critical, oom_score_adj %d", test.name, got)
		}
	}
	two := &corev1.PodSpec{Containers: []corev1.Container{
		{Resources: corev1.ResourceRequirements{Requests: quantities("1", "1Gi"), Limits: quantities("1", "1Gi")}}, {}}}
	if got := cgroup.QOS(two); got != corev1.PodQOSBurstable {
		t.Errorf("one of two containers guaranteed: %s", got)
	}
	if got := oomScoreAdj(two, &two.Containers[0], 0); got != 999 {
		t.Errorf("the node's memory is not known: %d", got)
	}
}

func TestEnvironment(t *testing.T) {
	field := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
	}
	pod := &corev1.Pod{}
	pod.Labels, pod.Annotations = map[string]string{"app": "web"}, map[string]string{"a/b": "note"}
	pod.Spec.ServiceAccountName = "sa"
	id := identity{Namespace: "ns", Name: "web", FullName: "web-node", UID: "u1"}
	c := &corev1.Container{Env: []corev1.EnvVar{
		{Name: "A", Value: "one"}, {Name: "B", Value: "$(A) $(LATER) $$(A) $("}, {Name: "LATER", Value: "x"}, {Name: "A", Value: "$(A)+"}, {Name: "EMPTY"},
		{Name: "NAME", ValueFrom: field("metadata.name")}, {Name: "NS", ValueFrom: field("metadata.namespace")}, {Name: "UID", ValueFrom: field("metadata.uid")},
		{Name: "NODE", ValueFrom: field("spec.nodeName")}, {Name: "SA", ValueFrom: field("spec.serviceAccountName")}, {Name: "HOST", ValueFrom: field("status.hostIP")},
		{Name: "IP", ValueFrom: field("status.podIP")}, {Name: "IPS", ValueFrom: field("status.podIPs")}, {Name: "APP", ValueFrom: field("metadata.labels['app']")},
		{Name: "NOTE", ValueFrom: field("metadata.annotations['a/b']")}, {Name: "NONE", ValueFrom: field("metadata.labels['none']")},
	}}
	env, list, err := environment(c, factsOf(pod, id, "10.0.0.9"), noObjects)
	check(t, err)
	want := []string{"A=one+", "B=one $(LATER) $(A) $(", "LATER=x", "EMPTY=", "NAME=web-node", "NS=ns", "UID=u1", "NODE=node", "SA=sa", "HOST=192.0.2.7", "IP=10.0.0.9", "IPS=10.0.0.9", "APP=web", "NOTE=note", "NONE="}
	var got []string
	for _, kv := range list {
		got = append(got, kv.Key+"="+string(kv.Value))
		if env[kv.Key] != string(kv.Value) {
			t.Errorf("%s: %q and %q", kv.Key, env[kv.Key], kv.Value)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, bad := range []corev1.EnvVar{{Name: "X", ValueFrom: field("status.phase")}, {Name: "X", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{}}}} {
		if _, _, err := environment(&corev1.Container{Env: []corev1.EnvVar{bad}}, factsOf(pod, id), noObjects); err == nil || !strings.HasPrefix(err.Error(), "X: ") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestEnvironmentOfObjects(t *testing.T) {
	find := func(kind, ns, name string) (map[string][]byte, bool) {
		switch kind + " " + ns + "/" + name {
		case "ConfigMap ns/app":
			return map[string][]byte{"MODE": []byte("fast"), "a.b": []byte("dot"), "not=this": []byte("x")}, true
		case "Secret ns/keys":
			return map[string][]byte{"token": []byte("s3"), "zero": {0}}, true
		}
		return nil, false
	}
	yes := true
	from := func(kind, name string, optional *bool, prefix string) corev1.EnvFromSource {
		ref := corev1.LocalObjectReference{Name: name}
		if kind == "Secret" {
			return corev1.EnvFromSource{Prefix: prefix, SecretRef: &corev1.SecretEnvSource{LocalObjectReference: ref, Optional: optional}}
		}
		return corev1.EnvFromSource{Prefix: prefix, ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref, Optional: optional}}
	}
	key := func(kind, name, key string, optional *bool) corev1.EnvVar {
		ref := corev1.LocalObjectReference{Name: name}
		if kind == "Secret" {
			return corev1.EnvVar{Name: "V", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref, Key: key, Optional: optional}}}
		}
		return corev1.EnvVar{Name: "V", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref, Key: key, Optional: optional}}}
	}
	for _, test := range []struct {
		name string
		from []corev1.EnvFromSource
		env  []corev1.EnvVar
		want []string
		err  string
	}{
		{"all of a map", []corev1.EnvFromSource{from("ConfigMap", "app", nil, "")}, nil, []string{"MODE=fast", "a.b=dot"}, ""},
		{"with a prefix", []corev1.EnvFromSource{from("Secret", "keys", nil, "X_")}, nil, []string{"X_token=s3"}, ""},
		{"env wins, and sees it", []corev1.EnvFromSource{from("ConfigMap", "app", nil, "")}, []corev1.EnvVar{{Name: "MODE", Value: "not $(MODE)"}}, []string{"MODE=not fast", "a.b=dot"}, ""},
		{"one that is not there", []corev1.EnvFromSource{from("ConfigMap", "none", nil, "")}, nil, nil, "ConfigMap ns/none is not there"},
		{"and need not be", []corev1.EnvFromSource{from("ConfigMap", "none", &yes, "")}, nil, nil, ""},
		{"a key", nil, []corev1.EnvVar{key("Secret", "keys", "token", nil)}, []string{"V=s3"}, ""},
		{"a key that is not there", nil, []corev1.EnvVar{key("Secret", "keys", "nope", nil)}, nil, `Secret ns/keys has no key "nope"`},
		{"a key that no environment can hold", nil, []corev1.EnvVar{key("Secret", "keys", "zero", nil)}, nil, "holds a zero byte"},
		{"nor need it be", nil, []corev1.EnvVar{key("Secret", "keys", "nope", &yes)}, nil, ""},
		{"a key of nothing", nil, []corev1.EnvVar{key("ConfigMap", "none", "k", nil)}, nil, "ConfigMap ns/none is not there"},
		{"which is fine", nil, []corev1.EnvVar{key("ConfigMap", "none", "k", &yes)}, nil, ""},
	} {
		_, list, err := environment(&corev1.Container{EnvFrom: test.from, Env: test.env}, downward.Facts{Pod: &corev1.Pod{}, Namespace: "ns"}, find)
		if (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
		var got []string
		for _, kv := range list {
			got = append(got, kv.Key+"="+string(kv.Value))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestHostname(t *testing.T) {
	long := strings.Repeat("a", 61) + "-." + strings.Repeat("b", 9)
	for _, test := range []struct {
		full, spec string
		host       bool
		want       string
	}{{"web-node", "", false, "web-node"}, {"web-node", "own", false, "own"}, {"web-node", "own", true, ""}, {long, "", false, strings.Repeat("a", 61)}} {
		p := &corev1.Pod{Spec: corev1.PodSpec{Hostname: test.spec, HostNetwork: test.host}}
		if got := hostname(p, identity{FullName: test.full}); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

func TestPrivilegedSeesTheKernel(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		sc     *corev1.SecurityContext
		masked bool
	}{{nil, true}, {&corev1.SecurityContext{}, true}, {&corev1.SecurityContext{Privileged: &no}, true}, {&corev1.SecurityContext{Privileged: &yes}, false}} {
		got := security(&corev1.PodSpec{}, &corev1.Container{SecurityContext: test.sc}, "/profiles")
		if slices.Contains(got.MaskedPaths, "/proc/kcore") != test.masked || slices.Contains(got.ReadonlyPaths, "/proc/sys") != test.masked || got.Privileged == test.masked {
			t.Errorf("%+v: %+v", test.sc, got)
		}
	}
}

func TestDriverOf(t *testing.T) {
	for config, want := range map[string]string{
		"": "cgroupfs", "{": "cgroupfs", "{}": "cgroupfs",
		`{"containerd":{"defaultRuntimeName":"runc","runtimes":{"runc":{"options":{"SystemdCgroup":true}},"kata":{}}}}`:               "systemd",
		`{"containerd":{"defaultRuntimeName":"kata","runtimes":{"runc":{"options":{"SystemdCgroup":true}},"kata":{"options":null}}}}`: "cgroupfs",
		`{"containerd":{"defaultRuntimeName":"runc","runtimes":{"runc":{"options":{"SystemdCgroup":"yes"}}}}}`:                        "cgroupfs",
	} {
		if got := driverOf(config); got != want {
			t.Errorf("%s: %s", config, got)
		}
	}
}
