package config

import "time"

// Components says how Kubernetes' own processes are looked at. A node without Kubernetes needs none of it.
type Components struct {
	// How often each component is asked whether it is well.
	CheckFrequency time.Duration `yaml:"checkFrequency" range:"1s..10m"`
	// How long a component may take for an answer; one that takes longer is hung.
	ProbeTimeout time.Duration `yaml:"probeTimeout" range:"100ms..1m"`
	// An answer that takes longer is slow; three in a row make the component so.
	SlowAfter time.Duration `yaml:"slowAfter" range:"10ms..1m"`
	// Credentials for an apiserver that refuses anonymous looks: /etc/kubernetes/kubelet.conf, never admin.conf.
	// Empty: none; such an apiserver counts as alive.
	Kubeconfig string `yaml:"kubeconfig" form:"path"`
}
