package compat

import (
	"regexp"
	"strings"

	"nodeagent/internal/staticpod/manifest"
)

// difference is one thing that run mode refuses on purpose and Kubernetes takes.
type difference struct {
	name string
	// where is what it concerns, for people; why the reason.
	where, why string
	// key is matched against the path of a fault, with [] for each index, and message against its message; empty ones match all.
	key, message string
}

// covers tells whether a fault that we report is this difference.
func (d difference) covers(p manifest.Problem) bool {
	if d.name == closedList {
		return ofClosedList(p)
	}
	return regexp.MustCompile("^(?:"+d.key+")").MatchString(patternOf(p.Key)) && regexp.MustCompile(d.message).MatchString(p.Message)
}

const (
	closedList    = "closed list"
	notLookedInto = "not looked into"
)

// ofClosedList tells whether the table of fields itself refuses a field or its value.
func ofClosedList(p manifest.Problem) bool {
	row, ok := rowOf(patternOf(p.Key))
	switch {
	case !ok:
		return strings.HasPrefix(p.Message, "not supported by this version")
	case row.Support == manifest.Refused:
		return true
	}
	return len(row.Values) > 0 && strings.HasPrefix(p.Message, "this version takes")
}

const (
	inProbes = `spec\.(initContainers|containers)\[\]\.(livenessProbe|readinessProbe|startupProbe|lifecycle\.postStart|lifecycle\.preStop)\.`
	inEach   = `spec\.(initContainers|containers)\[\]\.`
)

// differences are all the things that run mode refuses and Kubernetes takes. docs/static-pods.md has them as a table.
var differences = []difference{
	{name: closedList, where: "fields and values that run mode does not have", why: "the tables of fields; nothing is dropped in silence"},
	{name: "unknown field", where: "a field that the API does not have", why: "Kubernetes drops it without a word, and the pod lacks what it stood for",
		message: `^unknown field$`},
	{name: "doubled key", where: "a key twice in one mapping", why: "Kubernetes takes the last one without a word",
		message: `^the key stands in this mapping already`},
	{name: "empty item", where: "an item of a list that is empty", why: "Kubernetes makes it an item with no content",
		message: `^the item is empty$`},
	{name: "kind", where: "`Kind`, `APIVersion` and other cases of the two keys, and an apiVersion of `/v1`", why: "Kubernetes finds them all the same; the API's own names are `kind` and `apiVersion`",
		key: `(kind|apiVersion)$`},
	{name: "name", where: "metadata.name that ends in -", why: "it becomes valid by the node's name behind it alone",
		key: `metadata\.name$`, message: `is not a DNS name`},
	{name: "log folder", where: "metadata.name and namespace of more than 217 characters together, the node's name included", why: "the folder of the pod's logs has them in its name, and would be too long for the file system",
		key: `metadata\.name$`, message: `too many for the pod's log folder`},
	{name: "reserved labels", where: "labels and annotations of `io.kubernetes.` and `nodeagent/`, annotations of `kubernetes.io/config.`", why: "the agent, a kubelet and the tools around the runtime find their pods by them",
		key: `metadata\.(labels|annotations)\.`, message: `(sets? this (label|annotation)|marks its own pods)`},
	{name: "own annotation", where: "nodeagent/restart-on-config-change", why: "it is true or false",
		key: `metadata\.annotations\.nodeagent/restart-on-config-change`},
	{name: "profile annotations", where: "annotations for AppArmor and seccomp", why: "AppArmor is not supported, and Kubernetes passes over the ones for seccomp since 1.27",
		key: `metadata\.annotations\.`, message: `(AppArmor profiles are not supported|Kubernetes dropped this annotation)`},
	{name: "negative grace", where: "a negative terminationGracePeriodSeconds", why: "Kubernetes makes it 1 without a word",
		key: `spec\.terminationGracePeriodSeconds$`, message: `must not be negative`},
	{name: "image", where: "an image that is no image reference", why: "a kubelet takes the pod and fails with InvalidImageName",
		key: inEach + `image$`, message: `is not an image`},
	{name: "host address", where: "ports[].hostIP that is no IP address", why: "the network fails it later",
		key: inEach + `ports\[\]\.hostIP$`, message: `is not an IP address`},
	{name: "sidecar's port", where: "a hostPort of a sidecar that another container takes", why: "both run at the same time here as there, and one would fail to get it",
		key: inEach + `ports\[\]\.hostPort$`, message: `another port of the pod takes`},
	{name: "named port", where: "a port name in a probe or hook that the container does not have", why: "the check would fail each time",
		key: inProbes + `(httpGet|tcpSocket)\.port$`, message: `the container has no port named`},
	{name: "capability", where: "capabilities written with CAP_, in lower case, or that are no name at all", why: "the runtime refuses the container, or drops them without a word",
		key: inEach + `securityContext\.capabilities\.(add|drop)\[\]$`},
	{name: "root", where: "runAsNonRoot with runAsUser 0", why: "a kubelet takes the pod and fails with CreateContainerConfigError",
		key: inEach + `securityContext`, message: `runAsNonRoot is true, but runAsUser is 0`},
	{name: "container of a resource", where: "resourceFieldRef.containerName that the pod does not have", why: "the container or its volume could never be made",
		message: `the pod has no container`},
	{name: "resource", where: "resourceFieldRef of ephemeral-storage and hugepages, fieldRef of spec.serviceAccountName", why: "they are neither limited nor known here",
		key: `.*(resourceFieldRef\.resource|fieldRef\.fieldPath)$`, message: `is not supported by this version`},
	{name: "sysctl", where: "sysctls that a kubelet calls unsafe, and of the safe ones those that need a kernel after 4.15", why: "a kubelet refuses the unsafe ones later, with SysctlForbidden",
		key: `spec\.securityContext\.sysctls\[\]\.name$`, message: `sysctls that are safe in a pod`},
	{name: "sysctl twice", where: "a sysctl twice, once with dots and once with slashes", why: "it is one sysctl, and only one of the values could count",
		key: `spec\.securityContext\.sysctls\[\]\.name$`, message: `is set above already`},
	{name: "empty profile", where: "a seccomp profile of type Localhost with an empty path", why: "it names no file",
		key: `.*seccompProfile\.localhostProfile$`, message: `required for type Localhost`},
	{name: "resolver option", where: "white space in dnsConfig.options", why: "the line of resolv.conf would say something else",
		key: `spec\.dnsConfig\.options\[\]`, message: `no white space`},
	{name: "host path", where: "hostPath.path that does not begin with /", why: "it would depend on the runtime's working directory",
		key: `spec\.volumes\[\]\.hostPath\.path$`, message: `is not an absolute path`},
	{name: "root mount", where: "mountPath / and paths that mean it", why: "the runtime fails it",
		key: inEach + `volumeMounts\[\]\.mountPath$`, message: `root cannot be a mount`},
	{name: "object's name", where: "the name of a ConfigMap or Secret that is no DNS name, where Kubernetes asks less of it, and keys that such an object cannot have", why: "no such object or key can be",
		key: `(spec\.volumes\[\]\.(configMap|secret|projected)\b.*(name|secretName|key)|.*(configMapRef|secretRef|configMapKeyRef|secretKeyRef)\.name)$`, message: `(is not a DNS name|at most 253 characters|may hold letters|may not be \. or begin)`},
	{name: "paths in a volume", where: "two items of a volume with one path, or one path that is a folder of the other; paths that name no file or are longer than 4095", why: "one would overwrite the other, or the volume could not be written",
		key: `spec\.volumes\[\]\..*path$`, message: `(another file of the volume|exclude each other: one is a folder|names no file|at most 4095)`},
	{name: "empty source", where: "an item of projected.sources with no source", why: "it adds nothing, and something was meant; a kubelet refuses it in a static pod",
		key: `spec\.volumes\[\]\.projected\.sources\[\]$`, message: `got none`},
	{name: "quantity", where: "quantities of more than 64 characters or with an exponent of more than three digits", why: "reading them takes time that grows with the number", message: `^expected a quantity`},
}

// kubeletDifferences are what kubelet mode refuses and a kubelet takes.
var kubeletDifferences = []difference{
	{name: "kind", where: "`Kind`, `APIVersion` and other cases of the two keys, and an apiVersion of `/v1`", why: "a kubelet runs them by accident of its decoder; write the API's own names",
		key: `(kind|apiVersion)$`},
	{name: "quantity", where: "quantities of more than 64 characters or with an exponent of more than three digits", why: "they are not read, see above",
		message: `^expected a quantity`},
	{name: "reference with no name", where: "imagePullSecrets with no name in it", why: "it has no effect; remove it",
		key: `spec\.imagePullSecrets$`},
}

// kubeletUnlooked are rules that kubelet mode does not know of fields that it has as supported: path and text of Kubernetes' error.
var kubeletUnlooked = []struct{ field, detail string }{
	{`metadata\.annotations[.\[]`, ``}, // of single annotations Kubernetes checks profiles alone
	{`.*seccompProfile`, `annotation and field must match`},
	{`spec\.(hostNetwork|HostPID|HostIPC)$`, `hostProcess|hostUsers`}, // Kubernetes writes two of them so
	{`.*\.resources(\.limits)?$`, `HugePages require cpu or memory|non overcommitable resources`},
}
