package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"nodeagent/internal/config"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

// Canary starts and ends a container through each handler of the runtime that the configuration, or this node's kubelet, names. The program in
// it is the running one. progress is told each step as it begins.
func Canary(ctx context.Context, c config.Config, progress func(handler, step string)) ([]view.Canary, error) {
	k := kubelet.Find("/")
	exe, err := program()
	if err != nil {
		return nil, err
	}
	cc := canaryConfig(c, exe, func() bool { return k.Installed })
	cc.Progress = progress
	return runtime.RunCanary(ctx, runtime.Config{
		Endpoint: c.ContainerRuntimeEndpoint, ProbeTimeout: c.RuntimeProbeTimeout, CheckFrequency: c.RuntimeCheckFrequency,
		Kubelet: func() (string, string) {
			if !k.Installed {
				return "", ""
			}
			return k.Config.ContainerRuntimeEndpoint, "kubelet's configuration " + k.Config.Path
		},
		Canary: cc,
	})
}

// program is the path of the running binary, which is the canary's own.
func program() (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return exe, nil
}

func canaryConfig(c config.Config, exe string, kubeletHere func() bool) runtime.CanaryConfig {
	return runtime.CanaryConfig{
		Every: c.RuntimeCanary.Every, StepTimeout: c.RuntimeCanary.StepTimeout, Dir: filepath.Join(c.StateDir, "canary"), Program: exe,
		Wait: []string{"workload", "pause"}, Exec: []string{"workload", "exec-sleep", "0s"}, KubeletHere: kubeletHere,
	}
}
