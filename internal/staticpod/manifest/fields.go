package manifest

import "slices"

// Support is what this version's run mode does with a field.
type Support int

// The zero Support is Refused, so that a row that forgets it lets nothing through.
const (
	Refused   Support = iota // the manifest is not run
	Ignored                  // it has no meaning here; one warning for each time it is written
	Supported                // it has its effect
)

func (s Support) String() string {
	switch s {
	case Supported:
		return "supported"
	case Ignored:
		return "ignored"
	}
	return "refused"
}

// Field is one row of the table of what a manifest may hold.
type Field struct {
	// Path has [] for an index and * for any key of a mapping.
	Path    string
	Support Support
	// Advice says what to use instead, or why the field has no meaning here.
	Advice string
	// Values of a refused or ignored field mean what happens anyway and are taken in silence. Of a supported field, they
	// are the only ones taken.
	Values []string
	// Kubelet says why a kubelet of 1.34 or newer refuses the field in a static pod; empty when it takes it.
	Kubelet string
}

// Fields gives the table: every field of a Pod, those of containers and of volumes included, that lies outside what is
// refused or ignored as a whole.
func Fields() []Field { return slices.Clone(table) }

var table = slices.Concat(podFields, podSpecFields, containerFields("spec.containers[]"), referenceFields("spec.initContainers[]"), volumeFields)

var tableByPath = func() map[string]Field {
	m := make(map[string]Field, len(table))
	for _, f := range table {
		m[f.Path] = f
	}
	return m
}()

func rowAt(path string) (Field, bool) {
	f, ok := tableByPath[path]
	return f, ok
}

const (
	byScheduler = "there is no scheduler here; the pod runs on this node"
	byServer    = "the API server sets it; it has no meaning in a file"
	refers      = "a kubelet refuses a static pod that refers to "
	dataAsFile  = "put the data into a file on this node and mount it with a hostPath volume"
	envAsValue  = "write the value with env"
)

func supported(path string) Field { return Field{Path: path, Support: Supported} }
func ignored(path, why string, harmless ...string) Field {
	return Field{Path: path, Support: Ignored, Advice: why, Values: harmless}
}
func refused(path, advice string, harmless ...string) Field {
	return Field{Path: path, Advice: advice, Values: harmless}
}

// kubelet adds why a kubelet refuses the field too.
func (f Field) kubelet(why string) Field { f.Kubelet = why; return f }

// only restricts a supported field to some values.
func (f Field) only(advice string, values ...string) Field {
	f.Advice, f.Values = advice, values
	return f
}

var podFields = []Field{
	supported("apiVersion"),
	supported("kind"),
	supported("spec"),
	ignored("status", byServer, "{}"),

	supported("metadata"),
	supported("metadata.name"),
	supported("metadata.namespace"),
	supported("metadata.labels"),
	supported("metadata.annotations"),
	refused("metadata.generateName", "give the pod a fixed name with metadata.name", ""),
	ignored("metadata.selfLink", byServer, ""),
	ignored("metadata.uid", "the agent derives the UID from namespace, name and node", ""),
	ignored("metadata.resourceVersion", byServer, ""),
	ignored("metadata.generation", byServer, "0"),
	ignored("metadata.creationTimestamp", byServer),
	ignored("metadata.deletionTimestamp", byServer+"; remove the file to stop the pod"),
	ignored("metadata.deletionGracePeriodSeconds", byServer),
	ignored("metadata.ownerReferences", byServer),
	ignored("metadata.finalizers", byServer),
	ignored("metadata.managedFields", byServer),
}

var podSpecFields = []Field{
	supported("spec.containers"),
	refused("spec.initContainers", "do the work in the container's own command, or in a systemd unit before the agent"),
	refused("spec.ephemeralContainers", "enter a running container with: crictl exec").kubelet("a kubelet refuses ephemeral containers in a new pod"),
	supported("spec.restartPolicy"),
	supported("spec.terminationGracePeriodSeconds"),
	refused("spec.activeDeadlineSeconds", "wrap the command in: timeout SECONDS"),
	supported("spec.dnsPolicy").only("for another one, mount a resolv.conf of your own at /etc/resolv.conf with a hostPath volume of type File", "Default", "ClusterFirst", "ClusterFirstWithHostNet"),
	refused("spec.dnsConfig", "mount a resolv.conf of your own at /etc/resolv.conf with a hostPath volume of type File", "{}"),
	refused("spec.hostAliases", "mount a hosts file of your own at /etc/hosts with a hostPath volume of type File"),
	supported("spec.hostNetwork"),
	supported("spec.hostPID"),
	supported("spec.hostIPC"),
	supported("spec.shareProcessNamespace"),
	refused("spec.hostUsers", "pods share the node's user namespace; remove it", "true"),
	supported("spec.hostname"),
	refused("spec.subdomain", "set the full name with hostname, or remove it", ""),
	refused("spec.setHostnameAsFQDN", "remove it; the host name is spec.hostname", "false"),
	refused("spec.hostnameOverride", "use spec.hostname", ""),
	supported("spec.runtimeClassName"),
	supported("spec.os"),
	supported("spec.os.name").only("this node runs Linux", "linux"),
	refused("spec.resources", "set resources on each container", "{}"),
	refused("spec.imagePullSecrets", "give the runtime the credentials (containerd: config_path and hosts.toml, or registry.configs), or import the image").kubelet(refers + "secrets (via imagePullSecrets)"),
	refused("spec.resourceClaims", "mount the device with a hostPath volume of type CharDevice").kubelet(refers + "resourceclaims"),
	refused("spec.serviceAccountName", "mount a kubeconfig with a hostPath volume", "").kubelet(refers + "serviceaccounts"),
	refused("spec.serviceAccount", "mount a kubeconfig with a hostPath volume", "").kubelet(refers + "serviceaccounts"),
	ignored("spec.automountServiceAccountToken", "a static pod has no service account", "false"),
	ignored("spec.enableServiceLinks", "there are no Services to link here", "false"),

	ignored("spec.nodeName", "the pod runs on this node", ""),
	ignored("spec.nodeSelector", byScheduler, "{}"),
	ignored("spec.affinity", byScheduler, "{}"),
	ignored("spec.tolerations", byScheduler),
	ignored("spec.topologySpreadConstraints", byScheduler),
	ignored("spec.schedulerName", byScheduler, "", "default-scheduler"),
	ignored("spec.schedulingGates", byScheduler),
	ignored("spec.schedulingGroup", byScheduler, "{}"),
	ignored("spec.overhead", byScheduler, "{}"),
	// Both stand in every manifest that kubeadm writes.
	ignored("spec.priorityClassName", "nothing is preempted or evicted here", "", "system-node-critical", "system-cluster-critical"),
	ignored("spec.priority", "nothing is preempted or evicted here", "0", "2000000000", "2000001000"),
	ignored("spec.preemptionPolicy", "nothing is preempted here"),
	ignored("spec.readinessGates", "there are no Services here that would wait for them"),
	ignored("spec.evictionResponders", "nothing is evicted here"),

	supported("spec.securityContext"),
	supported("spec.securityContext.runAsUser"),
	supported("spec.securityContext.runAsGroup"),
	supported("spec.securityContext.runAsNonRoot"),
	supported("spec.securityContext.supplementalGroups"),
	refused("spec.securityContext.supplementalGroupsPolicy", "the groups of the image are merged; remove it", "Merge"),
	refused("spec.securityContext.fsGroup", "give the files of the volume to the group on the node, and add the group with supplementalGroups"),
	refused("spec.securityContext.fsGroupChangePolicy", "remove it; fsGroup is not supported either"),
	refused("spec.securityContext.sysctls", "set them on the node with /etc/sysctl.d and use hostNetwork"),
	supported("spec.securityContext.seccompProfile"),
	supported("spec.securityContext.seccompProfile.type").only("use RuntimeDefault", "RuntimeDefault", "Unconfined"),
	refused("spec.securityContext.seccompProfile.localhostProfile", "use type RuntimeDefault", ""),
	refused("spec.securityContext.appArmorProfile", "remove it; the runtime's default profile applies where AppArmor is on"),
	refused("spec.securityContext.seLinuxOptions", "remove it; label the host's files for container_t with chcon where SELinux is on", "{}"),
	refused("spec.securityContext.seLinuxChangePolicy", "remove it; SELinux options are not supported either"),
	refused("spec.securityContext.windowsOptions", "remove it; this node runs Linux", "{}"),
}
