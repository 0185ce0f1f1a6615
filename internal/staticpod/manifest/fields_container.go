package manifest

import "slices"

// containerFields gives the rows of one list of containers.
func containerFields(at string) []Field {
	const noProbes = "remove it, or let the process exit when it is not well, so that it is restarted"
	return slices.Concat([]Field{
		supported(at + ".name"),
		supported(at + ".image"),
		supported(at + ".imagePullPolicy"),
		supported(at + ".command"),
		supported(at + ".args"),
		supported(at + ".workingDir"),
		supported(at + ".terminationMessagePath"),
		supported(at + ".terminationMessagePolicy"),
		refused(at+".restartPolicy", "use spec.restartPolicy, which counts for every container"),
		refused(at+".restartPolicyRules", "use spec.restartPolicy, which counts for every container"),
		refused(at+".resizePolicy", "remove it; changed resources replace the pod"),
		refused(at+".volumeDevices", "use a hostPath volume of type BlockDevice and securityContext.privileged"),
		refused(at+".livenessProbe", noProbes),
		refused(at+".readinessProbe", noProbes),
		refused(at+".startupProbe", noProbes),
		refused(at+".stdin", "nobody can attach; remove it", "false"),
		refused(at+".stdinOnce", "nobody can attach; remove it", "false"),
		refused(at+".tty", "nobody can attach; remove it", "false"),

		supported(at + ".env"),
		supported(at + ".env[].name"),
		supported(at + ".env[].value"),
		supported(at + ".env[].valueFrom"),
		supported(at + ".env[].valueFrom.fieldRef"),
		supported(at + ".env[].valueFrom.fieldRef.apiVersion"),
		supported(at + ".env[].valueFrom.fieldRef.fieldPath"),
		refused(at+".env[].valueFrom.resourceFieldRef", "write the number itself with value"),
		refused(at+".env[].valueFrom.fileKeyRef", envAsValue),

		supported(at + ".ports"),
		supported(at + ".ports[].name"),
		supported(at + ".ports[].containerPort"),
		supported(at + ".ports[].hostPort"),
		supported(at + ".ports[].hostIP"),
		supported(at + ".ports[].protocol"),

		supported(at + ".volumeMounts"),
		supported(at + ".volumeMounts[].name"),
		supported(at + ".volumeMounts[].mountPath"),
		supported(at + ".volumeMounts[].readOnly"),
		refused(at+".volumeMounts[].recursiveReadOnly", "use readOnly", "Disabled"),
		refused(at+".volumeMounts[].subPath", "mount the path itself with a hostPath volume of its own", ""),
		refused(at+".volumeMounts[].subPathExpr", "mount the path itself with a hostPath volume of its own", ""),
		refused(at+".volumeMounts[].mountPropagation", "mounts made later on the node are not seen inside; mount before the pod starts", "None"),
		refused(at+".volumeMounts[].bindMountOptions", "mount the file system with these options on the node"),

		supported(at + ".resources"),
		supported(at + ".resources.limits"),
		supported(at + ".resources.limits.cpu"),
		supported(at + ".resources.limits.memory"),
		refused(at+".resources.limits.*", "only cpu and memory are limited; remove it"),
		supported(at + ".resources.requests"),
		supported(at + ".resources.requests.cpu"),
		supported(at + ".resources.requests.memory"),
		ignored(at+".resources.requests.ephemeral-storage", byScheduler),
		refused(at+".resources.requests.*", "only cpu and memory are shared out; remove it"),
		refused(at+".resources.claims", "mount the device with a hostPath volume of type CharDevice"),

		supported(at + ".lifecycle"),
		supported(at + ".lifecycle.preStop"),
		supported(at + ".lifecycle.preStop.exec"),
		supported(at + ".lifecycle.preStop.exec.command"),
		supported(at + ".lifecycle.preStop.sleep"),
		supported(at + ".lifecycle.preStop.sleep.seconds"),
		refused(at+".lifecycle.preStop.httpGet", "use exec with a client that is in the image"),
		refused(at+".lifecycle.preStop.tcpSocket", "use exec or sleep"),
		refused(at+".lifecycle.postStart", "do the work in the container's own command"),
		refused(at+".lifecycle.stopSignal", "set STOPSIGNAL in the image, or send the signal from a preStop exec"),
	}, containerSecurityFields(at+".securityContext"), referenceFields(at))
}

func containerSecurityFields(at string) []Field {
	return []Field{
		supported(at),
		supported(at + ".privileged"),
		supported(at + ".capabilities"),
		supported(at + ".capabilities.add"),
		supported(at + ".capabilities.drop"),
		supported(at + ".runAsUser"),
		supported(at + ".runAsGroup"),
		supported(at + ".runAsNonRoot"),
		supported(at + ".readOnlyRootFilesystem"),
		supported(at + ".allowPrivilegeEscalation"),
		supported(at + ".seccompProfile"),
		supported(at+".seccompProfile.type").only("use RuntimeDefault", "RuntimeDefault", "Unconfined"),
		refused(at+".seccompProfile.localhostProfile", "use type RuntimeDefault", ""),
		refused(at+".appArmorProfile", "remove it; the runtime's default profile applies where AppArmor is on"),
		refused(at+".seLinuxOptions", "remove it; label the host's files for container_t with chcon where SELinux is on", "{}"),
		refused(at+".windowsOptions", "remove it; this node runs Linux", "{}"),
		refused(at+".procMount", "remove it, or use privileged", "Default"),
	}
}

// referenceFields gives the rows of what a container may read from the API server, which a kubelet refuses wherever the
// container stands.
func referenceFields(at string) []Field {
	return []Field{
		refused(at+".envFrom", envAsValue),
		refused(at+".envFrom[].configMapRef", envAsValue).kubelet(refers + "configmaps"),
		refused(at+".envFrom[].secretRef", envAsValue).kubelet(refers + "secrets"),
		refused(at+".env[].valueFrom.configMapKeyRef", envAsValue).kubelet(refers + "configmaps"),
		refused(at+".env[].valueFrom.secretKeyRef", "mount a file of mode 0600 with a hostPath volume").kubelet(refers + "secrets"),
	}
}
