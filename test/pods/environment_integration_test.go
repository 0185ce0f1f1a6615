//go:build integration

package pods

import (
	"net/netip"
	"strings"
	"testing"
)

func (s *suite) identity(t *testing.T) {
	s.proves(t, none, "apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations",
		"spec", "spec.containers", "spec.os", "spec.os.name", "spec.volumes", "spec.volumes[].name")
	p := s.pod(t, "identity", variants[0].podWith("namespace: night\nlabels: {app: web}\nannotations: {example.test/note: a b}", "os: {name: linux}", `args: [do, hold]
env:
- {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
- {name: NOTE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['example.test/note']"}}}
`))
	env := p.run("main").env()
	equal(t, "the name inside", env["NAME"], p.full())
	equal(t, "the namespace inside", env["NAMESPACE"], "night")
	equal(t, "the label inside", env["LABEL"], "web")
	equal(t, "the annotation inside", env["NOTE"], "a b")
	sandbox := p.sandbox()
	equal(t, "the namespace", sandbox.Metadata.Namespace, "night")
	equal(t, "the label", sandbox.Labels["app"], "web")
	equal(t, "the annotation", sandbox.Annotations["example.test/note"], "a b")
}

func (s *suite) program(t *testing.T, v variant) {
	s.proves(t, v, "@.name", "@.image", "@.command", "@.args", "@.workingDir", "@.volumeMounts", "@.volumeMounts[].name", "@.volumeMounts[].mountPath")
	s.proves(t, none, "spec."+v.list)
	if v.list == "initContainers" {
		s.proves(t, v, "@.restartPolicy") // it runs beside the main container
	}
	p := s.pod(t, "program-"+v.key, v.pod("", `command: [/nodeagent, workload]
args: [do, hold, "print $(GREETING) $$(GREETING) $(NONE)"]
workingDir: /ctl/below
env: [{name: GREETING, value: good night}]`))
	c := p.run("main")
	equal(t, "the command line", strings.TrimSuffix(c.file("cmdline"), "\x00"), "/nodeagent\x00workload\x00do\x00hold\x00print good night $(GREETING) $(NONE)")
	equal(t, "the working directory", link(t, "/proc/"+strings.Split(c.root(""), "/")[2]+"/cwd"), "/ctl/below")
	equal(t, "the image's environment", c.env()["OF_IMAGE"], "yes")
	if v.list == "initContainers" {
		p.run("other")
		c.exec("need /ctl")
	}
}

// objects are documents for one test, which names its own.
const objects = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: ${NAME}}
data: {greeting: good night, other: "2"}
---
apiVersion: v1
kind: Secret
metadata: {name: ${NAME}}
stringData: {key: "1234"}
data: {pass: aHVudGVyMg==}
`

func (s *suite) environment(t *testing.T, v variant) {
	s.proves(t, v, "@.env", "@.env[].name", "@.env[].value", "@.env[].valueFrom", "@.resources")
	s.proves(t, v, below("@.env[].valueFrom.fieldRef", "apiVersion", "fieldPath")...)
	s.proves(t, v, below("@.env[].valueFrom.resourceFieldRef", "containerName", "resource", "divisor")...)
	s.proves(t, v, below("@.env[].valueFrom.configMapKeyRef", "name", "key", "optional")...)
	s.proves(t, v, below("@.env[].valueFrom.secretKeyRef", "name", "key", "optional")...)
	s.proves(t, v, below("@.envFrom", "")[:1]...)
	s.proves(t, v, "@.envFrom[].prefix")
	s.proves(t, v, below("@.envFrom[].configMapRef", "name", "optional")...)
	s.proves(t, v, below("@.envFrom[].secretRef", "name", "optional")...)
	p := s.pod(t, "environment-"+v.key, v.podWith("labels: {app: web}\nannotations: {note: a}", "", `args: [do, hold]
resources: {limits: {cpu: 1500m, memory: 64Mi}, requests: {cpu: 100m, memory: 32Mi}}
envFrom:
- {prefix: CM_, configMapRef: {name: "${NAME}"}}
- {secretRef: {name: "${NAME}"}}
- {configMapRef: {name: none-of-that, optional: true}}
- {secretRef: {name: none-of-that, optional: true}}
env:
- {name: PLAIN, value: "a $(CM_greeting) $$(X)"}
- {name: key, value: over}
- {name: CM, valueFrom: {configMapKeyRef: {name: "${NAME}", key: greeting}}}
- {name: SECRET, valueFrom: {secretKeyRef: {name: "${NAME}", key: pass}}}
- {name: NO_CM, valueFrom: {configMapKeyRef: {name: "${NAME}", key: none, optional: true}}}
- {name: NO_SECRET, valueFrom: {secretKeyRef: {name: none-of-that, key: none, optional: true}}}
- {name: NAME, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}
- {name: UID_OF_POD, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: POD_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
- {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
- {name: MILLICPU, valueFrom: {resourceFieldRef: {containerName: main, resource: limits.cpu, divisor: 1m}}}
- {name: MEMORY, valueFrom: {resourceFieldRef: {containerName: main, resource: requests.memory, divisor: 1Mi}}}
`)+objects)
	env := p.run("main").env()
	sandbox, ip := p.sandbox(), p.ip()
	for name, want := range map[string]string{
		"CM_greeting": "good night", "CM_other": "2", "pass": "hunter2", "key": "over", "PLAIN": "a good night $(X)", "CM": "good night", "SECRET": "hunter2",
		"NAME": p.full(), "UID_OF_POD": sandbox.Metadata.Uid, "NODE": s.name, "POD_IP": ip, "POD_IPS": ip, "CPU": "2", "MILLICPU": "1500", "MEMORY": "32",
	} {
		equal(t, name, env[name], want)
	}
	for _, name := range []string{"NO_CM", "NO_SECRET"} {
		if value, there := env[name]; there {
			t.Errorf("%s is there: %q", name, value)
		}
	}
	if _, err := netip.ParseAddr(env["HOST_IP"]); err != nil || env["HOST_IP"] == ip {
		t.Errorf("HOST_IP is %q (%v)", env["HOST_IP"], err)
	}
}

// binary data is for volumes: a kubelet makes no environment of it (pkg/kubelet/kubelet_pods.go).
func (s *suite) binaryData(t *testing.T) {
	p := s.pod(t, "binary-data", simple("volumes: [{name: v, configMap: {name: binary-data}}]", `args: [do, hold]
volumeMounts: [{name: v, mountPath: /v}]
envFrom: [{configMapRef: {name: binary-data}}]
`)+"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: binary-data}\ndata: {text: a}\nbinaryData: {bytes: AAEC}\n")
	c := p.run("main")
	equal(t, "the text", c.env()["text"], "a")
	equal(t, "the file", c.read("/v/bytes"), "\x00\x01\x02")
}
