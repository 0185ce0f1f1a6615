// Package conditions declares what companion mode and run mode both report: the static pods and their manifests. A condition has
// one reporter at a time, the mode that is in force.
package conditions

import "nodeagent/internal/health"

// Reasons of StaticPods.
var (
	PodMissing    = &health.Reason{Name: "Missing", Fix: "See `journalctl -u kubelet` for why it does not start the pod; a kubelet whose API server never answered starts none."}
	PodStale      = &health.Reason{Name: "Stale", Fix: "Move the manifest out of the folder, wait until the pod is gone, and move it back; a kubelet cut off from its API server replaces no pod."}
	PodCrashLoop  = &health.Reason{Name: "CrashLooping", Fix: "Read the container's last log: `crictl logs --previous ID`, or its files under the pod logs folder."}
	PodRestarting = &health.Reason{Name: "Restarting", Fix: "Wait for the next start; if it ends again, read the container's last log."}
	PodNotStarted = &health.Reason{Name: "NotStarted", Fix: "See `journalctl -u kubelet` and `crictl images`: most often an image can't be pulled or a volume is not there."}
	PodFailed     = &health.Reason{Name: "Failed", Fix: "Read the container's log; its restart policy does not start it again: change the manifest, or remove and put it back."}
	PodDuplicate  = &health.Reason{Name: "Duplicate", Fix: "Keep one manifest of each pod name in the folder, and one sandbox of each pod: `crictl pods --name NAME`."}
	PodNoManifest = &health.Reason{Name: "NoManifest", Fix: "Put the manifest back; to end a pod that its kubelet does not stop: `crictl stopp ID`."}
	PodRefused    = &health.Reason{Name: "Refused", Fix: "Correct the manifest; `nodeagent validate FILE` names the line."}
	PodUnknown    = &health.Reason{Name: "RuntimeUnknown", Fix: "Bring the container runtime back; see the Runtime conditions and `crictl info`."}
	PodUnclear    = &health.Reason{Name: "ManifestsUnknown", Fix: "Make the manifest folder readable; see the condition Manifests."}
)

// StaticPods is one subject a pod, namespace/name without the node's name.
var StaticPods = &health.Condition{
	Name:   "StaticPods",
	Help:   "Every static pod of this node runs, once, from the manifest as it is now.",
	Impact: health.Critical,
	Max:    64,
	Reasons: []*health.Reason{
		PodMissing, PodStale, PodCrashLoop, PodRestarting, PodNotStarted, PodFailed, PodDuplicate, PodNoManifest, PodRefused, PodUnknown, PodUnclear,
		PodStarting, PodStopping, PodImage, PodError, PodNotReady, PodStopped, PodHeld,
	},
}

// Reasons of Manifests.
var (
	ManifestInvalid     = &health.Reason{Name: "Invalid", Fix: "Correct the file; until then its kubelet runs no pod from it."}
	ManifestRefused     = &health.Reason{Name: "KubeletRefuses", Fix: "Change what a kubelet does not allow in a static pod; until then it runs no pod from the file."}
	ManifestIgnored     = &health.Reason{Name: "KubeletIgnores", Fix: "Correct what is named; a kubelet passes over it in silence, and the pod runs without it."}
	ManifestIgnoredName = &health.Reason{Name: "IgnoredName", Fix: "Move the file out of the folder; a kubelet runs it like any manifest, and it may replace the pod it is a copy of."}
	ManifestDuplicate   = &health.Reason{Name: "DuplicateName", Fix: "Keep one manifest of each pod name; a kubelet runs the last one in the order of file names."}
	ManifestUnreadable  = &health.Reason{Name: "Unreadable", Fix: "Make the file or folder readable for the agent."}
	FolderMissing       = &health.Reason{Name: "FolderMissing", Fix: "Make or mount the manifest folder; to a kubelet a missing folder is an empty one, so that it stops every static pod."}
)

// Manifests is one subject a file of the manifest folder, by its base name; the folder itself is the subject with its path.
var Manifests = &health.Condition{
	Name:   "Manifests",
	Help:   "Every file of the manifest folder is a manifest that is run as it is written.",
	Impact: health.Degraded,
	Max:    64,
	Reasons: []*health.Reason{
		ManifestInvalid, ManifestRefused, ManifestIgnored, ManifestIgnoredName, ManifestDuplicate, ManifestUnreadable, FolderMissing,
		ManifestRejected, ManifestNotOne, ManifestTaken, ManifestGone, ManifestWriting, ManifestInsecure, ManifestHostPort, ManifestPartly,
	},
}
