package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"nodeagent/internal/config"
	"nodeagent/internal/runtime"
	"nodeagent/internal/runtime/canary"
	"nodeagent/internal/staticpod/kubelet"
)

// CanaryResult is how one handler of the runtime did.
type CanaryResult = canary.Result

// Canary starts and ends a container through each handler of the runtime that the configuration, or this node's kubelet, names. The program in
// it is the running one.
func Canary(ctx context.Context, c config.Config) ([]CanaryResult, error) {
	k := kubelet.Find("/")
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return runtime.RunCanary(ctx, runtime.Config{
		Endpoint: c.ContainerRuntimeEndpoint, ProbeTimeout: c.RuntimeProbeTimeout, CheckFrequency: c.RuntimeCheckFrequency,
		Kubelet: func() (string, string) {
			if !k.Installed {
				return "", ""
			}
			return k.Config.ContainerRuntimeEndpoint, "kubelet's configuration " + k.Config.Path
		},
		Canary: runtime.CanaryConfig{
			Dir: filepath.Join(c.StateDir, "canary"), Program: exe,
			Wait: []string{"workload", "pause"}, Exec: []string{"workload", "exec-sleep", "0s"},
			KubeletHere: func() bool { return k.Installed },
		},
	})
}
