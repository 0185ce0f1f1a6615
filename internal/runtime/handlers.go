package runtime

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nodeagent/internal/runtime/oci"
)

// Told is what a runtime tells of its own configuration: containerd in its verbose Status, CRI-O at /config.
type Told struct {
	Handlers     []oci.Handler
	CgroupDriver string // cgroupfs or systemd; empty: not told
	PauseImage   string // empty: not told
	Snapshotter  string // containerd's; empty: not told
	CNIConf      string // folder of the network configuration; empty: not told
	CNILoad      string // containerd's last word on loading it; empty: not told
}

// toldContainerd reads the info of containerd's verbose Status (internal/cri/server/status.go), of 1.6 to 2.x.
func toldContainerd(info map[string]string) (Told, error) {
	var c struct {
		Containerd struct {
			Snapshotter        string `json:"snapshotter"`
			DefaultRuntimeName string `json:"defaultRuntimeName"`
			Runtimes           map[string]struct {
				RuntimeType string `json:"runtimeType"`
				RuntimePath string `json:"runtimePath"`
				Options     struct {
					BinaryName    string `json:"BinaryName"`
					Root          string `json:"Root"`
					SystemdCgroup bool   `json:"SystemdCgroup"`
				} `json:"options"`
			} `json:"runtimes"`
		} `json:"containerd"`
		SandboxImage string `json:"sandboxImage"`
		CNI          struct {
			ConfDir string `json:"confDir"`
		} `json:"cni"`
	}
	if info["config"] == "" {
		return Told{}, nil
	}
	if err := json.Unmarshal([]byte(info["config"]), &c); err != nil {
		return Told{}, fmt.Errorf("read config of the verbose Status: %w", err)
	}
	t := Told{PauseImage: c.SandboxImage, Snapshotter: c.Containerd.Snapshotter, CNIConf: c.CNI.ConfDir, CNILoad: info["lastCNILoadStatus"]}
	def := c.Containerd.DefaultRuntimeName
	for _, name := range slices.Sorted(maps.Keys(c.Containerd.Runtimes)) {
		r := c.Containerd.Runtimes[name]
		h := oci.Handler{Name: name, Default: name == def, Binary: cmp.Or(r.Options.BinaryName, "runc"),
			Type: r.RuntimeType, Root: r.Options.Root, SystemdCgroup: r.Options.SystemdCgroup}
		if r.RuntimeType != "io.containerd.runc.v2" && r.RuntimeType != "io.containerd.runc.v1" {
			h.Shim, h.Binary = true, cmp.Or(r.RuntimePath, shimBinary(r.RuntimeType))
		}
		t.Handlers = append(t.Handlers, h)
		if h.Default {
			t.CgroupDriver = "cgroupfs"
			if r.Options.SystemdCgroup {
				t.CgroupDriver = "systemd"
			}
		}
	}
	return t, nil
}

// shimBinary is the file that containerd runs for a runtime type: io.containerd.runc.v2 is containerd-shim-runc-v2 (docs/runtime-v2.md).
func shimBinary(runtimeType string) string {
	if strings.HasPrefix(runtimeType, "/") {
		return runtimeType
	}
	parts := strings.Split(runtimeType, ".")
	if len(parts) < 2 {
		return ""
	}
	return "containerd-shim-" + parts[len(parts)-2] + "-" + parts[len(parts)-1]
}

// toldCRIO reads CRI-O's configuration as /config prints it (crio.conf(5)).
func toldCRIO(config []byte) (Told, error) {
	const table = "crio.runtime.runtimes."
	t, def := Told{}, ""
	index := map[string]int{}
	err := tomlEach(config, func(key string, values []string) bool {
		value := ""
		if len(values) > 0 {
			value = values[0]
		}
		switch key {
		case "crio.runtime.default_runtime":
			def = value
		case "crio.runtime.cgroup_manager":
			t.CgroupDriver = value
		case "crio.image.pause_image":
			t.PauseImage = value
		case "crio.network.network_dir":
			t.CNIConf = value
		}
		rest, ok := strings.CutPrefix(key, table)
		if !ok {
			return true
		}
		name, field, ok := cutLast(rest, '.')
		if !ok || field != "runtime_path" && field != "runtime_type" {
			return true
		}
		if _, ok := index[name]; !ok {
			index[name] = len(t.Handlers)
			t.Handlers = append(t.Handlers, oci.Handler{Name: name, Binary: name})
		}
		h := &t.Handlers[index[name]]
		if field == "runtime_path" && value != "" {
			h.Binary = value
		}
		if field == "runtime_type" && value == "vm" {
			h.Shim = true
		}
		return true
	})
	if err != nil {
		return Told{}, fmt.Errorf("read /config of CRI-O: %w", err)
	}
	for i := range t.Handlers {
		t.Handlers[i].Default = t.Handlers[i].Name == def
	}
	slices.SortFunc(t.Handlers, func(a, b oci.Handler) int { return strings.Compare(a.Name, b.Name) })
	return t, nil
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
