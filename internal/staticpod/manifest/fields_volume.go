package manifest

import "slices"

var volumeFields = slices.Concat([]Field{
	supported("spec.volumes"),
	supported("spec.volumes[].name"),
	supported("spec.volumes[].hostPath"),
	supported("spec.volumes[].hostPath.path"),
	supported("spec.volumes[].hostPath.type"),
	supported("spec.volumes[].emptyDir"),
	refused("spec.volumes[].emptyDir.medium", "mount a tmpfs on the node and use a hostPath volume", ""),
	refused("spec.volumes[].emptyDir.sizeLimit", "mount a file system of that size on the node and use a hostPath volume"),
	refused("spec.volumes[].emptyDir.mode", "the folder has mode 0777; remove it", "511"),

	refused("spec.volumes[].configMap", dataAsFile).kubelet(refers + "configmaps (via configmap volumes)"),
	refused("spec.volumes[].secret", dataAsFile+" of mode 0600").kubelet(refers + "secrets (via secret volumes)"),
	refused("spec.volumes[].downwardAPI", "pass the values as environment with valueFrom.fieldRef"),
	refused("spec.volumes[].projected", dataAsFile),
	refused("spec.volumes[].projected.sources[].configMap", dataAsFile).kubelet(refers + "configmaps (via projected volumes)"),
	refused("spec.volumes[].projected.sources[].secret", dataAsFile+" of mode 0600").kubelet(refers + "secrets (via projected volumes)"),
	refused("spec.volumes[].projected.sources[].serviceAccountToken", "mount a kubeconfig with a hostPath volume").kubelet(refers + "serviceaccounts (via projected volumes)"),
	refused("spec.volumes[].projected.sources[].clusterTrustBundle", dataAsFile).kubelet(refers + "clustertrustbundles"),
	refused("spec.volumes[].projected.sources[].podCertificate", dataAsFile).kubelet(refers + "podcertificates"),
	refused("spec.volumes[].image", "unpack the image on the node and use a hostPath volume"),
	refused("spec.volumes[].persistentVolumeClaim", "mount the storage on the node and use a hostPath volume").kubelet(refers + "persistentvolumeclaims"),
	refused("spec.volumes[].ephemeral", "use emptyDir, or a hostPath volume").kubelet(refers + "persistentvolumeclaims (via ephemeral volumes)"),
	refused("spec.volumes[].csi", "mount the storage on the node and use a hostPath volume").kubelet(refers + "csidrivers (via CSI volumes)"),
	refused("spec.volumes[].glusterfs", "mount the storage on the node and use a hostPath volume").kubelet(refers + "endpoints (via glusterFS volumes)"),
	refused("spec.volumes[].azureFile", "mount the storage on the node and use a hostPath volume").kubelet(refers + "secrets (via azureFile volumes)"),
}, networkVolumeFields())

// networkVolumeFields gives the rows of the API's older volume drivers, all answered alike.
func networkVolumeFields() []Field {
	var out []Field
	for _, name := range []string{
		"gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "rbd", "flexVolume", "cinder", "cephfs", "flocker", "fc",
		"vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos",
	} {
		out = append(out, refused("spec.volumes[]."+name, "mount the storage on the node and use a hostPath volume"))
	}
	return out
}
