package arch

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPackagedConfig: the file that is installed is the reference that config's own tests hold against the keys.
func TestPackagedConfig(t *testing.T) {
	const packaged, reference = "packaging/config/config.yaml", "internal/config/reference.yaml"
	if !bytes.Equal(read(t, packaged), read(t, reference)) {
		t.Errorf("%s is not %s: cp %s %s", packaged, reference, reference, packaged)
	}
}

// directives of a unit by section/name, in the order of the file.
func directives(unit []byte) map[string][]string {
	out, section := map[string][]string{}, ""
	for line := range strings.Lines(string(unit)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			name, value, _ := strings.Cut(line, "=")
			out[section+"/"+name] = append(out[section+"/"+name], value)
		}
	}
	return out
}

// mounts are the directives that give a unit a mount namespace of its own, or do so in newer systemd (systemd.exec(5)). Mounts made in it
// for a pod would stay in it.
var mounts = []string{"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables", "ProtectKernelModules",
	"ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset", "ProtectHostname", "PrivateMounts", "PrivateUsers", "PrivateNetwork", "PrivateIPC",
	"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths",
	"RootDirectory", "RootImage", "MountAPIVFS", "DynamicUser", "LogNamespace", "MountFlags"}

// TestUnits holds what a reader can't see by looking at one unit alone.
func TestUnits(t *testing.T) {
	unit := directives(read(t, "packaging/systemd/nodeagent.service"))
	run := directives(read(t, "packaging/systemd/profiles/run.conf"))
	for _, name := range mounts {
		_, set := unit["Service/"+name]
		values := run["Service/"+name]
		if set && len(values) == 0 {
			t.Errorf("the run profile does not take %s back: it makes a mount namespace, and the pods' volumes would not reach the runtime", name)
		}
		if len(values) > 0 && !set {
			t.Errorf("the run profile takes %s back, which the unit does not set", name)
		}
		for _, v := range values {
			if v != "" && v != "no" && v != "default" && v != "all" {
				t.Errorf("the run profile sets %s=%s, which makes a mount namespace", name, v)
			}
		}
	}
	for _, name := range []string{"Wants", "Requires", "After", "PartOf", "BindsTo", "Requisite", "Upholds"} {
		for _, v := range slices.Concat(unit["Unit/"+name], run["Unit/"+name]) {
			for _, runtime := range []string{"containerd", "crio", "docker", "kubelet", "k3s", "rke2"} {
				if strings.Contains(v, runtime) {
					t.Errorf("%s=%s: the agent must neither start a runtime that was stopped by hand nor wait for one that hangs", name, v)
				}
			}
		}
	}
	for name, want := range map[string]string{
		"Service/Type": "notify", "Service/Restart": "always", "Service/RestartSec": "1", "Service/RestartPreventExitStatus": "78",
		"Unit/StartLimitIntervalSec": "0", "Service/KillMode": "mixed", "Service/OOMScoreAdjust": "-999", "Service/StateDirectory": "nodeagent",
		"Service/RuntimeDirectory": "nodeagent", "Service/RuntimeDirectoryPreserve": "yes", "Service/ExecStart": "/usr/bin/nodeagent run",
		"Service/ExecReload": "/usr/bin/nodeagent reload", "Unit/Before": "keepalived.service",
		"Service/TimeoutAbortSec": "5", "Service/MemoryHigh": "128M", "Service/MemoryMax": "256M", "Service/TasksMax": "512", "Service/WatchdogSec": "30", "Service/TimeoutStartSec": "30", "Service/TimeoutStopSec": "10",
	} {
		if got := strings.Join(unit[name], " "); got != want {
			t.Errorf("nodeagent.service: %s is %q, want %q", name, got, want)
		}
	}
}
