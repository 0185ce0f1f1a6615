package manifest

import "slices"

// containerFields gives the rows of one list of containers.
func containerFields(at string) []Field {
	restart := refused(at+".restartPolicy", "use spec.restartPolicy, which counts for every container")
	if at == initContainers {
		restart = supported(at+".restartPolicy").only("it makes the init container a sidecar; the others run once, and spec.restartPolicy says whether they are tried again", "Always")
	}
	return slices.Concat([]Field{
		supported(at + ".name"),
		supported(at + ".image"),
		supported(at + ".imagePullPolicy"),
		supported(at + ".command"),
		supported(at + ".args"),
		supported(at + ".workingDir"),
		supported(at + ".terminationMessagePath"),
		supported(at + ".terminationMessagePolicy"),
		restart,
		refused(at+".restartPolicyRules", "use spec.restartPolicy, which counts for every container"),
		refused(at+".resizePolicy", "remove it; changed resources replace the pod"),
		refused(at+".volumeDevices", "use a hostPath volume of type BlockDevice and securityContext.privileged"),
		refused(at+".stdin", "nobody can attach; remove it", "false"),
		refused(at+".stdinOnce", "nobody can attach; remove it", "false"),
		refused(at+".tty", "nobody can attach; remove it", "false"),

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
		supported(at + ".volumeMounts[].subPath").but("what is mounted so does not follow changes of a ConfigMap or Secret"),
		refused(at+".volumeMounts[].subPathExpr", "write the path out with subPath", ""),
		supported(at + ".volumeMounts[].mountPropagation").but("Bidirectional for privileged containers only"),
		refused(at+".volumeMounts[].bindMountOptions", "mount the file system with these options on the node"),

		supported(at + ".resources"),
		supported(at + ".resources.limits"),
		supported(at + ".resources.limits.cpu"),
		supported(at + ".resources.limits.memory"),
		ignored(at+".resources.limits.ephemeral-storage", "the use of the disk is not limited here"),
		refused(at+".resources.limits.*", "only cpu and memory are limited; remove it"),
		supported(at + ".resources.requests"),
		supported(at + ".resources.requests.cpu"),
		supported(at + ".resources.requests.memory"),
		ignored(at+".resources.requests.ephemeral-storage", byScheduler),
		refused(at+".resources.requests.*", "only cpu and memory are shared out; remove it"),
		refused(at+".resources.claims", noDevice),
	}, environmentFields(at), probeFields(at), lifecycleFields(at+".lifecycle"), containerSecurityFields(at+".securityContext"))
}

func environmentFields(at string) []Field {
	return []Field{
		supported(at + ".env"),
		supported(at + ".env[].name"),
		supported(at + ".env[].value"),
		supported(at + ".env[].valueFrom"),
		supported(at + ".env[].valueFrom.fieldRef"),
		supported(at + ".env[].valueFrom.fieldRef.apiVersion"),
		supported(at + ".env[].valueFrom.fieldRef.fieldPath"),
		supported(at + ".env[].valueFrom.resourceFieldRef"),
		supported(at + ".env[].valueFrom.resourceFieldRef.containerName"),
		supported(at + ".env[].valueFrom.resourceFieldRef.resource").but("cpu and memory"),
		supported(at + ".env[].valueFrom.resourceFieldRef.divisor"),
		supported(at+".env[].valueFrom.configMapKeyRef").kubelet(refers+"configmaps", envAsValue),
		supported(at + ".env[].valueFrom.configMapKeyRef.name"),
		supported(at + ".env[].valueFrom.configMapKeyRef.key"),
		supported(at + ".env[].valueFrom.configMapKeyRef.optional"),
		supported(at+".env[].valueFrom.secretKeyRef").kubelet(refers+"secrets", "mount a file of mode 0600 with a hostPath volume"),
		supported(at + ".env[].valueFrom.secretKeyRef.name"),
		supported(at + ".env[].valueFrom.secretKeyRef.key"),
		supported(at + ".env[].valueFrom.secretKeyRef.optional"),
		refused(at+".env[].valueFrom.fileKeyRef", "use configMapKeyRef, or "+envAsValue),

		supported(at + ".envFrom"),
		supported(at + ".envFrom[].prefix"),
		supported(at+".envFrom[].configMapRef").kubelet(refers+"configmaps", envAsValue),
		supported(at + ".envFrom[].configMapRef.name"),
		supported(at + ".envFrom[].configMapRef.optional"),
		supported(at+".envFrom[].secretRef").kubelet(refers+"secrets", "mount a file of mode 0600 with a hostPath volume"),
		supported(at + ".envFrom[].secretRef.name"),
		supported(at + ".envFrom[].secretRef.optional"),
	}
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
		supported(at + ".seccompProfile.type"),
		supported(at + ".seccompProfile.localhostProfile").but(seccompFolder),
		refused(at+".appArmorProfile", noAppArmor),
		refused(at+".seLinuxOptions", noSELinux, "{}"),
		refused(at+".windowsOptions", "remove it; this node runs Linux", "{}"),
		refused(at+".procMount", "remove it, or use privileged", "Default"),
	}
}
