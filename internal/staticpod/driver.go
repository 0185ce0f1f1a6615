package staticpod

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// askDriver asks a runtime for its cgroup driver: systemd or cgroupfs.
func askDriver(ctx context.Context, c CRI, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := c.RuntimeConfig(ctx, &cri.RuntimeConfigRequest{})
	if err == nil && r.GetLinux() != nil {
		if r.GetLinux().GetCgroupDriver() == cri.CgroupDriver_SYSTEMD {
			return "systemd", nil
		}
		return "cgroupfs", nil
	}
	if err != nil && status.Code(err) != codes.Unimplemented {
		return "cgroupfs", fmt.Errorf("ask for the cgroup driver: %w", err)
	}
	s, err := c.Status(ctx, &cri.StatusRequest{Verbose: true})
	if err != nil {
		return "cgroupfs", fmt.Errorf("ask for the cgroup driver: %w", err)
	}
	return driverOf(s.GetInfo()["config"]), nil
}

// driverOf reads containerd's configuration as its verbose status gives it: the default runtime's SystemdCgroup.
func driverOf(config string) string {
	var c struct {
		Containerd struct {
			DefaultRuntimeName string `json:"defaultRuntimeName"`
			Runtimes           map[string]struct {
				Options map[string]any `json:"options"`
			} `json:"runtimes"`
		} `json:"containerd"`
	}
	if json.Unmarshal([]byte(config), &c) != nil {
		return "cgroupfs"
	}
	if on, _ := c.Containerd.Runtimes[c.Containerd.DefaultRuntimeName].Options["SystemdCgroup"].(bool); on {
		return "systemd"
	}
	return "cgroupfs"
}
