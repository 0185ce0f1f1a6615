package manifest

import (
	"slices"
	"strings"
)

var volumeFields = byPath(slices.Concat([]Field{
	supported("spec.volumes"),
	supported("spec.volumes[].name"),
	supported("spec.volumes[].hostPath"),
	supported("spec.volumes[].hostPath.path"),
	supported("spec.volumes[].hostPath.type"),
	supported("spec.volumes[].emptyDir"),
	supported("spec.volumes[].emptyDir.medium").only("for huge pages, mount a hugetlbfs on the node and use a hostPath volume", "", "Memory"),
	supported("spec.volumes[].emptyDir.sizeLimit").but("enforced with medium Memory only"),
	refused("spec.volumes[].emptyDir.mode", "the folder has mode 0777; remove it", "511"),

	supported("spec.volumes[].configMap").kubelet(refers+"configmaps (via configmap volumes)", dataAsFile),
	supported("spec.volumes[].configMap.name"),
	supported("spec.volumes[].secret").kubelet(refers+"secrets (via secret volumes)", secretFile),
	supported("spec.volumes[].secret.secretName"),
	supported("spec.volumes[].downwardAPI"),
	supported("spec.volumes[].projected"),
	supported("spec.volumes[].projected.sources"),
	supported("spec.volumes[].projected.defaultMode"),
	refused("spec.volumes[].projected.defaultUser", ownedByRoot),
	supported("spec.volumes[].projected.sources[].configMap").kubelet(refers+"configmaps (via projected volumes)", dataAsFile),
	supported("spec.volumes[].projected.sources[].configMap.name"),
	supported("spec.volumes[].projected.sources[].configMap.optional"),
	supported("spec.volumes[].projected.sources[].secret").kubelet(refers+"secrets (via projected volumes)", secretFile),
	supported("spec.volumes[].projected.sources[].secret.name"),
	supported("spec.volumes[].projected.sources[].secret.optional"),
	supported("spec.volumes[].projected.sources[].downwardAPI"),
	refused("spec.volumes[].projected.sources[].serviceAccountToken", noAccount).kubelet(refers + "serviceaccounts (via projected volumes)"),
	refused("spec.volumes[].projected.sources[].clusterTrustBundle", dataAsFile).kubelet(refers + "clustertrustbundles"),
	refused("spec.volumes[].projected.sources[].podCertificate", dataAsFile).kubelet(refers + "podcertificates"),
}, writtenFields("spec.volumes[].configMap"), writtenFields("spec.volumes[].secret"), writtenFields("spec.volumes[].downwardAPI"),
	itemFields("spec.volumes[].configMap.items"), itemFields("spec.volumes[].secret.items"), downwardFields("spec.volumes[].downwardAPI.items"),
	itemFields("spec.volumes[].projected.sources[].configMap.items"), itemFields("spec.volumes[].projected.sources[].secret.items"),
	downwardFields("spec.volumes[].projected.sources[].downwardAPI.items"), []Field{
		refused("spec.volumes[].image", "unpack the image on the node and use a hostPath volume"),
		refused("spec.volumes[].persistentVolumeClaim", onNode).kubelet(refers + "persistentvolumeclaims"),
		refused("spec.volumes[].ephemeral", "use emptyDir, or a hostPath volume").kubelet(refers + "persistentvolumeclaims (via ephemeral volumes)"),
		refused("spec.volumes[].csi", onNode).kubelet(refers + "csidrivers (via CSI volumes)"),
		refused("spec.volumes[].glusterfs", onNode).kubelet(refers + "endpoints (via glusterFS volumes)"),
		refused("spec.volumes[].azureFile", onNode).kubelet(refers + "secrets (via azureFile volumes)"),
	}, networkVolumeFields()))

// byPath keeps what belongs to one kind of volume together.
func byPath(fields []Field) []Field {
	return slices.SortedFunc(slices.Values(fields), func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
}

const onNode = "mount the storage on the node and use a hostPath volume"

// writtenFields gives what the volumes have in common whose files are written from data.
func writtenFields(at string) []Field {
	out := []Field{supported(at + ".defaultMode"), refused(at+".defaultUser", ownedByRoot)}
	if at != "spec.volumes[].downwardAPI" {
		out = append(out, supported(at+".optional"))
	}
	return out
}

// itemFields gives the rows of the keys of a ConfigMap or Secret that become files.
func itemFields(at string) []Field {
	return []Field{supported(at), supported(at + "[].key"), supported(at + "[].path"), supported(at + "[].mode"), refused(at+"[].user", ownedByRoot)}
}

// downwardFields gives the rows of the facts of the pod that become files.
func downwardFields(at string) []Field {
	return []Field{
		supported(at),
		supported(at + "[].path"),
		supported(at + "[].mode"),
		refused(at+"[].user", ownedByRoot),
		supported(at + "[].fieldRef"),
		supported(at + "[].fieldRef.apiVersion"),
		supported(at + "[].fieldRef.fieldPath"),
		supported(at + "[].resourceFieldRef"),
		supported(at + "[].resourceFieldRef.containerName"),
		supported(at + "[].resourceFieldRef.resource").but("cpu and memory"),
		supported(at + "[].resourceFieldRef.divisor"),
	}
}

// networkVolumeFields gives the rows of the API's older volume drivers, all answered alike.
func networkVolumeFields() []Field {
	var out []Field
	for _, name := range []string{
		"gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "rbd", "flexVolume", "cinder", "cephfs", "flocker", "fc",
		"vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos",
	} {
		out = append(out, refused("spec.volumes[]."+name, onNode))
	}
	return out
}
