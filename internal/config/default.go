package config

import (
	"path/filepath"
	"time"
)

// Default returns the configuration of a node with no file at all. It works on a kubeadm node as it is.
func Default() Config {
	c := declared()
	resolve(&c)
	return c
}

// declared is what reference.yaml shows: defaults before those that depend on another key are filled in.
func declared() Config {
	return Config{
		RuntimeProbeTimeout:   3 * time.Second,
		RuntimeRequestTimeout: 2 * time.Minute, // kubelet's
		RuntimeCheckFrequency: 5 * time.Second,
		RuntimeCanary:         RuntimeCanary{StepTimeout: 30 * time.Second},
		StateDir:              "/var/lib/nodeagent",
		RunDir:                "/run/nodeagent",
		PodLogsDir:            "/var/log/pods",       // kubelet's
		PodLogLinksDir:        "/var/log/containers", // kubelet's
		ContainerLogMaxSize:   10 << 20,              // kubelet's
		ContainerLogMaxFiles:  5,                     // kubelet's
		RemovedPodLogsKeep:    24 * time.Hour,
		RemovedPodLogsMaxSize: 1 << 30,
		SyncFrequency:         time.Minute,      // kubelet's
		FileCheckFrequency:    20 * time.Second, // kubelet's
		StaticPods:            StaticPods{Mode: ModeCompanion, PrepareRestarts: true},
		CrashLoopBackOff: CrashLoopBackOff{
			InitialDelay:              time.Second,
			Factor:                    2,
			MaxContainerRestartPeriod: 300 * time.Second, // kubelet's
			ResetAfter:                10 * time.Minute,  // kubelet's: twice its longest back-off
			Jitter:                    0.1,
			// Longer than a restart's: a failed pull has already taken a registry's time, and registries count them.
			ImagePullInitialDelay: 2 * time.Second,
			MaxImagePullPeriod:    300 * time.Second, // kubelet's
		},
		Network: Network{
			CheckFrequency: 30 * time.Second,
			ProbeInterval:  10 * time.Second,
			ProbeTimeout:   time.Second,
			SubnetFile:     "/run/flannel/subnet.env", // flanneld's
			CNIConfDir:     "/etc/cni/net.d",          // containerd's and CRI-O's
		},
		Certificates: Certificates{RenewBefore: 720 * time.Hour, AlarmBefore: 168 * time.Hour, RenewCABefore: 4320 * time.Hour},
		Machine: Machine{
			CheckFrequency: 30 * time.Second,
			FreeSpaceMin:   10, // kubelet's nodefs.available
			FreeInodesMin:  5,  // kubelet's nodefs.inodesFree
			ClockOffsetMax: 100 * time.Millisecond,
		},
		Keepalive: Keepalive{
			ConfigFile:     "/etc/keepalived/keepalived.conf", // keepalived's
			CheckFrequency: 5 * time.Second,
			ProbeInterval:  10 * time.Second,
			HAProxy:        HAProxy{CheckFrequency: time.Second, Timeout: time.Second},
		},
		Components: Components{
			CheckFrequency: 5 * time.Second,
			ProbeTimeout:   3 * time.Second, // more than the 2 s that an apiserver gives its etcd
			SlowAfter:      time.Second,
		},
		Repair:  Repair{Mode: "dry-run"},
		Metrics: Metrics{Listen: ":10071"},
		API:     API{Group: "nodeagent"},
		Log:     Log{Level: "info", Format: "auto"},
		Events:  Events{MaxSize: 8 << 20},
	}
}

// resolve fills the keys whose default depends on another key. staticPodPath stays empty in companion mode: kubelet's
// own is only known at run time.
func resolve(c *Config) {
	if c.API.Socket == "" {
		c.API.Socket = filepath.Join(c.RunDir, "nodeagent.sock")
	}
	if c.Keepalive.NotifyFIFO == "" {
		c.Keepalive.NotifyFIFO = filepath.Join(c.RunDir, "vrrp.fifo")
	}
	if c.StaticPodPath == "" && c.StaticPods.Mode == ModeRun {
		c.StaticPodPath = "/etc/nodeagent/manifests"
	}
}
