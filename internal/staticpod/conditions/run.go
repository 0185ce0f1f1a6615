package conditions

import "nodeagent/internal/health"

// Reasons of StaticPods in run mode.
var (
	PodStarting = &health.Reason{Name: "Starting", Fix: "Wait; if it stays, see `nodeagent events` and `nodeagent pods`."}
	PodStopping = &health.Reason{Name: "Stopping", Fix: "Wait for the end of its grace period."}
	PodImage    = &health.Reason{Name: "ImageUnavailable", Fix: "Make the image's registry reachable, correct the image's name, or load it by hand: `ctr -n k8s.io images import FILE`."}
	PodError    = &health.Reason{Name: "RuntimeError", Fix: "Read the message: the runtime refused to make the pod; see `nodeagent events` and the runtime's log."}
	PodNotReady = &health.Reason{Name: "NotReady", Fix: "Read what the probe got (`nodeagent pods describe NAME`) and the container's log."}
	PodStopped  = &health.Reason{Name: "Stopped", Fix: "It starts by itself when the time is over, or with `nodeagent pods start NAME`."}
	PodHeld     = &health.Reason{Name: "Held", Fix: "See the conditions RunMode and ManifestFolder for why this pod is neither started nor stopped."}
)

// Reasons of Manifests in run mode.
var (
	ManifestRejected = &health.Reason{Name: "Rejected", Fix: "Correct the file (`nodeagent validate FILE`); the pods of its last good version, if there was one, run on."}
	ManifestNotOne   = &health.Reason{Name: "NotAManifest", Fix: "Move the file out of the folder, or rename it if it is meant to be run."}
	ManifestTaken    = &health.Reason{Name: "NameTaken", Fix: "Remove one of the two files, or give the pod another name; the one that runs keeps the name."}
	ManifestGone     = &health.Reason{Name: "FileGone", Fix: "Put the file back, or stop its pods with `nodeagent pods prune`."}
	ManifestWriting  = &health.Reason{Name: "BeingWritten", Fix: "Close the file in whatever writes it; see `fuser -v FILE`."}
	ManifestInsecure = &health.Reason{Name: "InsecureSecret", Fix: "Give the file to root alone: `chown root FILE && chmod 600 FILE`; until then nothing new is taken from it."}
	ManifestHostPort = &health.Reason{Name: "HostPortTaken", Fix: "Give one of the two pods another hostPort, or in the host's network another containerPort: one of them does not get it."}
	ManifestPartly   = &health.Reason{Name: "FieldIgnored", Fix: "Remove the named fields, which mean nothing without an API server, or leave them."}
)

// Reasons of ManifestFolder.
var (
	RunFolderMissing    = &health.Reason{Name: "Missing", Fix: "Make or mount the folder; what runs is kept until then, and nothing is started from it after a boot."}
	RunFolderUnreadable = &health.Reason{Name: "Unreadable", Fix: "Make the folder readable for root, and its file system answer."}
	RunFolderReplaced   = &health.Reason{Name: "Replaced", Fix: "Mount the right folder, or put the missing files into this one; to stop the pods that are kept: `nodeagent pods prune`."}
	RunFolderEmptied    = &health.Reason{Name: "Emptied", Fix: "Put the files back; if they were removed on purpose: `nodeagent pods prune`."}
	RunFolderNoEvents   = &health.Reason{Name: "NoEvents", Fix: "Raise fs.inotify.max_user_instances (sysctl); until then changes are seen only at fileCheckFrequency."}
)

// ManifestFolder is about the folder of run mode itself.
var ManifestFolder = &health.Condition{
	Name:    "ManifestFolder",
	Help:    "The folder of run mode's manifests is there, is the one it was, and tells of its changes.",
	Impact:  health.Critical,
	Reasons: []*health.Reason{RunFolderMissing, RunFolderUnreadable, RunFolderReplaced, RunFolderEmptied, RunFolderNoEvents},
}

// Reasons of RunMode.
var (
	RunKubelet     = &health.Reason{Name: "KubeletHere", Fix: "Remove the kubelet, or set staticPods.mode: companion; staticPods.evenWithKubeletInstalled is for people who know that it never runs."}
	RunSteppedBack = &health.Reason{Name: "SteppedBack", Fix: "A kubelet appeared and the pods were left to it. Once it is gone for good: reboot, or `nodeagent pods resume`."}
	RunMounts      = &health.Reason{Name: "PrivateMounts", Fix: "Install the run profile: a unit directive gave the agent mounts of its own that no container would see."}
)

// RunMode is whether the agent may run pods on this node.
var RunMode = &health.Condition{
	Name:    "RunMode",
	Help:    "In run mode, nothing else on the node claims its pods.",
	Impact:  health.Critical,
	Reasons: []*health.Reason{RunKubelet, RunSteppedBack, RunMounts},
}
