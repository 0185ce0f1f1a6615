package config

import "time"

// Network says how Flannel is watched. A node without Flannel needs none of it.
type Network struct {
	// How often everything is read again, beside the kernel's notices.
	CheckFrequency time.Duration `yaml:"checkFrequency" range:"1s..1h"`
	// How often each peer is probed through the overlay.
	ProbeInterval time.Duration `yaml:"probeInterval" range:"1s..1h"`
	// How long a peer may take to answer a probe. At most probeInterval.
	ProbeTimeout time.Duration `yaml:"probeTimeout" range:"100ms..1m"`
	// The file that flanneld writes (--subnet-file).
	SubnetFile string `yaml:"subnetFile" form:"path"`
	// Folder of the runtime's CNI configuration.
	CNIConfDir string `yaml:"cniConfDir" form:"dir"`
	// Of somebody who may list nodes (never admin.conf): their annotations tell each peer's entries. Empty: the kernel
	// alone tells.
	Kubeconfig string `yaml:"kubeconfig" form:"path"`
}
