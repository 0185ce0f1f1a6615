package agent

import (
	"context"

	"cmp"

	"nodeagent/internal/component"
	"nodeagent/internal/component/machine"
	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod/kubelet"
)

func machineConfig(c config.Config) machine.Config {
	m := c.Machine
	return machine.Config{CheckFrequency: m.CheckFrequency, Timeout: c.RuntimeProbeTimeout, SpaceMin: m.FreeSpaceMin, InodesMin: m.FreeInodesMin, ClockOffset: m.ClockOffsetMax}
}

// wireMachine hands it what the node's kubelet wants. Where there is Flannel, its own condition judges forwarding.
func (a *agent) wireMachine(facts *facts) {
	a.machine = machine.New(func() machine.Config { return machineConfig(a.config()) }, machine.Deps{
		Kubelet: func() machine.Kubelet { return kubeletWants(facts.get(), a.network.Network().Backend != "") },
		Folders: func() []machine.Folder { return folders(a.config(), facts.get(), a.components.EtcdFolder()) },
	}, a.board, a.logOf(partMachine))
	a.wakes = append(a.wakes, a.machine.Wake)
}

func lookMachine(ctx context.Context, c config.Config, facts *facts, flannel bool) []health.Look {
	return machine.Look(ctx, machineConfig(c), machine.Deps{
		Kubelet: func() machine.Kubelet { return kubeletWants(facts.get(), flannel) },
		Folders: func() []machine.Folder {
			_, _, etcd := component.FindPlaces(componentConfig(c, facts))
			return folders(c, facts.get(), etcd)
		},
	})
}

func kubeletWants(f kubelet.Facts, flannel bool) machine.Kubelet {
	return machine.Kubelet{
		Here: f.Installed, Running: f.Running != nil, FailSwapOn: f.Config.FailSwapOn, SwapSource: f.Config.Sources["failSwapOn"],
		ProtectKernel: f.Config.ProtectKernelDefaults, ForwardingSeen: flannel,
	}
}

// folders whose file systems must take writes. That of images and containers is the runtime's to tell.
func folders(c config.Config, f kubelet.Facts, etcd string) []machine.Folder {
	logs := c.PodLogsDir
	if f.Installed && f.Config.PodLogsDir != "" {
		logs = f.Config.PodLogsDir
	}
	return []machine.Folder{
		{What: "etcd", Path: cmp.Or(etcd, "/var/lib/etcd")}, // kubeadm's
		{What: "kubelet", Path: "/var/lib/kubelet"},
		{What: "pod logs", Path: logs},
		{What: "journal and logs", Path: "/var/log"},
		{What: "nodeagent", Path: c.StateDir},
	}
}

// kubeletCgroup is what the runtime's cgroup driver is held against.
func kubeletCgroup(f kubelet.Facts) runtime.KubeletCgroup {
	return runtime.KubeletCgroup{Here: f.Installed, Driver: f.Config.CgroupDriver, Source: f.Config.Sources["cgroupDriver"], FailV1: f.Config.FailCgroupV1}
}
