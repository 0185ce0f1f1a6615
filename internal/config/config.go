// Package config turns the files of /etc/nodeagent into one resolved Config. It is the only home of defaults.
//
// The struct below is the single source of every key. Its tags give the name (yaml), what a value must look like
// (form, oneof, range) and whether the running daemon can take a new value (reload:"restart" says it cannot); Default
// gives the value; its comments are the prose of reference.yaml, which a test renders from here and compares. An empty
// string is allowed exactly where the default is empty.
//
// Reading is strict and whole: every fault of every file is found in one pass and returned as an *Error; there is no
// half-accepted config. Parse, FromAccepted, Print and the comparisons are pure; Load alone touches the file system.
// Nothing here waits, starts goroutines or keeps state. A Config is never changed after it was returned, so it may be
// shared freely.
package config

import "time"

// Default places of the configuration.
const (
	DefaultFile = "/etc/nodeagent/config.yaml"
	DefaultDir  = "/etc/nodeagent/config.d"
)

// Values of staticPods.mode.
const (
	ModeCompanion = "companion"
	ModeRun       = "run"
	ModeOff       = "off"
)

// Config is the effective configuration. Names are those of KubeletConfiguration (kubelet.config.k8s.io/v1beta1)
// where the thing is the same.
type Config struct {
	// Name of this node. Empty: found the way kubelet finds it (its flag, its certificate, the host name).
	NodeName string `yaml:"nodeName" form:"nodeName" reload:"restart"`

	// Socket of the CRI runtime, as unix:///path. Empty: found (kubelet's config, crictl.yaml, well-known places).
	ContainerRuntimeEndpoint string `yaml:"containerRuntimeEndpoint" form:"endpoint"`
	// Deadline of a look at the runtime. One that takes longer counts as hung. At most runtimeRequestTimeout.
	RuntimeProbeTimeout time.Duration `yaml:"runtimeProbeTimeout" range:"100ms..1m"`
	// Deadline of a call that changes something (create, start). Stops get their grace period on top, pulls their own.
	RuntimeRequestTimeout time.Duration `yaml:"runtimeRequestTimeout" range:"1s..1h"`
	// How often the runtime is asked for its state.
	RuntimeCheckFrequency time.Duration `yaml:"runtimeCheckFrequency" range:"100ms..1h"`

	// A container that does nothing, started and ended through each runtime handler to see that it can be.
	RuntimeCanary RuntimeCanary `yaml:"runtimeCanary"`

	// What must survive a reboot: identity, last good manifests, back-off, holds, events.
	StateDir string `yaml:"stateDir" form:"dir" reload:"restart"`
	// Sockets and verdict files; may be lost at a reboot.
	RunDir string `yaml:"runDir" form:"dir" reload:"restart"`
	// Container logs, in kubelet's layout.
	PodLogsDir string `yaml:"podLogsDir" form:"dir" reload:"restart"`
	// Run mode: links to the container logs under the names that log shippers look for.
	PodLogLinksDir string `yaml:"podLogLinksDir" form:"dir" reload:"restart"`
	// Run mode: a container's log is rotated when it is larger than this.
	ContainerLogMaxSize Size `yaml:"containerLogMaxSize" range:"64Ki..100Gi"`
	// Run mode: how many files of one log are kept, the current one among them; older ones are compressed.
	ContainerLogMaxFiles int `yaml:"containerLogMaxFiles" range:"2..1000"`
	// Run mode: how long the logs of a removed pod are kept. 0: they go with it.
	RemovedPodLogsKeep time.Duration `yaml:"removedPodLogsKeep" range:"0s..8760h"`
	// Run mode: how much the logs of removed pods may take in all; the oldest go first.
	RemovedPodLogsMaxSize Size `yaml:"removedPodLogsMaxSize" range:"0..1Ti"`

	// How often everything is read again and put right, with no event to ask for it.
	SyncFrequency time.Duration `yaml:"syncFrequency" range:"100ms..24h"`
	// How often the manifest folder is read again, beside the kernel's notices.
	FileCheckFrequency time.Duration `yaml:"fileCheckFrequency" range:"100ms..24h"`
	// Folder (or one file) of static pod manifests. Empty: kubelet's own in companion mode,
	// /etc/nodeagent/manifests in run mode.
	StaticPodPath string `yaml:"staticPodPath" form:"path"`

	// Parent cgroup of all pods that run mode starts, as a cgroupfs path. Empty: the root.
	CgroupRoot string `yaml:"cgroupRoot" form:"path" reload:"restart"`
	// Must be the runtime's own: cgroupfs or systemd. Empty: found by asking the runtime.
	CgroupDriver string `yaml:"cgroupDriver" oneof:"cgroupfs|systemd"`

	// What is done with the manifests of staticPodPath.
	StaticPods StaticPods `yaml:"staticPods"`
	// Waiting between restarts of a container that keeps exiting. The first restart is at once.
	CrashLoopBackOff CrashLoopBackOff `yaml:"crashLoopBackOff"`
	// Flannel's devices, routes and peers.
	Network Network `yaml:"network"`
	// Certificates of Kubernetes on this node, and when their end is near.
	Certificates Certificates `yaml:"certificates"`
	// The machine below the node's parts: clock, file systems, swap, kernel.
	Machine Machine `yaml:"machine"`
	// What keepalived is told, and what is seen of VRRP and the balancer.
	Keepalive Keepalive `yaml:"keepalive"`
	// Kubernetes' own processes on this node.
	Components Components `yaml:"components"`
	// What may be mended on this node. Pods and verdicts are not meant.
	Repair Repair `yaml:"repair"`
	// The HTTP listener: /metrics, /-/healthy, /-/ready.
	Metrics Metrics `yaml:"metrics" reload:"restart"`
	// The unix socket that the nodeagent commands talk to.
	API API `yaml:"api" reload:"restart"`
	// The daemon's own log.
	Log Log `yaml:"log"`
	// The node's timeline (nodeagent events), a ring on disk in stateDir.
	Events Events `yaml:"events"`

	// Tuning by condition name (nodeagent status lists them), such as {RuntimeReady: {valid: 1m}}. What is not given
	// stays as the condition declares it. A condition takes:
	Conditions map[string]Condition `yaml:"conditions" keys:"condition"`
}

// StaticPods says what is done with manifests.
type StaticPods struct {
	// companion watches what kubelet makes of them; run starts and keeps the pods; off does neither.
	Mode string `yaml:"mode" oneof:"companion|run|off" reload:"restart"`
	// Let run mode start pods on a machine with a kubelet. A running kubelet kills them: for people who know.
	EvenWithKubeletInstalled bool `yaml:"evenWithKubeletInstalled" reload:"restart"`
	// Have the next attempt of a running container made ahead (crictl shows it as Created), so that a restart is faster.
	PrepareRestarts bool `yaml:"prepareRestarts"`
}

// CrashLoopBackOff is the waiting time between attempts: delay x factor after each, up to a maximum, give or take jitter.
type CrashLoopBackOff struct {
	// Wait before the second restart; at most maxContainerRestartPeriod.
	InitialDelay time.Duration `yaml:"initialDelay" range:"100ms..1h"`
	// Each wait is this many times the one before it. For image pulls too.
	Factor float64 `yaml:"factor" range:"1..10"`
	// Longest wait between two restarts.
	MaxContainerRestartPeriod time.Duration `yaml:"maxContainerRestartPeriod" range:"100ms..24h"`
	// A container that ran this long without an exit starts again from initialDelay.
	ResetAfter time.Duration `yaml:"resetAfter" range:"1s..24h"`
	// Each wait is longer or shorter by up to this share, so that pods don't restart in step. For image pulls too.
	Jitter float64 `yaml:"jitter" range:"0..1"`
	// Wait after the first image pull that failed; at most maxImagePullPeriod.
	ImagePullInitialDelay time.Duration `yaml:"imagePullInitialDelay" range:"100ms..1h"`
	// Longest wait between two pulls of one image.
	MaxImagePullPeriod time.Duration `yaml:"maxImagePullPeriod" range:"100ms..24h"`
}

// Metrics is the HTTP listener.
type Metrics struct {
	// Address and port; no address: all of them.
	Listen string `yaml:"listen" form:"listen"`
	// File with TLS and users in the format of Prometheus' exporter-toolkit. Empty: plain HTTP, no users.
	WebConfigFile string `yaml:"webConfigFile" form:"path"`
}

// API is the unix socket of the command line.
type API struct {
	// Path of the socket. Empty: nodeagent.sock in runDir.
	Socket string `yaml:"socket" form:"socket"`
	// Members of this group may look; acting needs root.
	Group string `yaml:"group" form:"group"`
}

// Log is the daemon's own log.
type Log struct {
	// Least level that is written: debug, info, warn or error.
	Level string `yaml:"level" oneof:"debug|info|warn|error"`
	// json, console, journal, or auto: journal under systemd, console on a terminal, json elsewhere.
	Format string `yaml:"format" oneof:"auto|json|console|journal" reload:"restart"`
}

// Events is the node's timeline.
type Events struct {
	// Most it may take on disk, in bytes or as 64Ki, 8Mi.
	MaxSize Size `yaml:"maxSize" range:"64Ki..1Gi" reload:"restart"`
}

// Condition tunes one condition; a zero field leaves what the condition declares.
type Condition struct {
	// false mutes it, and every view says so.
	Enabled *bool `yaml:"enabled"`
	// How long a look is believed before it is Unknown (for example 30s).
	Valid time.Duration `yaml:"valid" range:"1s..24h"`
	// Most subjects that are shown one by one; above that the worst and a count.
	Subjects int `yaml:"subjects" range:"1..10000"`
}
