package canary

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"nodeagent/internal/runtime/oci"
)

// The names under which containerd knows the two documents of the OCI runtime specification.
const (
	specType    = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
	processType = "types.containerd.io/opencontainers/runtime-spec/1/Process"
)

// specVersion is the version of the OCI runtime specification that a containerd of this version writes: an OCI runtime that refuses it refuses
// every pod (see oci.Refuses). 1.0.2, which every runc and crun takes, where the version is not known.
func specVersion(containerd string) string {
	since := func(v string) bool { order, ok := oci.Compare(containerd, v); return ok && order >= 0 }
	switch {
	case since("2.0"):
		return "1.2.0"
	case since("1.7"):
		return "1.1.0"
	}
	return "1.0.2"
}

type object = map[string]any

// process runs the program with no capability at all.
func process(args []string) object {
	return object{
		"user": object{"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": true, "env": []string{"PATH=/"},
		"args": append([]string{insideProgram}, args...),
	}
}

func processOf(args []string) (*anypb.Any, error) { return document(processType, process(args)) }

// specOf is a container of this program alone: its own namespaces, no network, nothing to write to.
func specOf(version, program string, args []string, rootfs, cgroup string) (*anypb.Any, error) {
	var namespaces []object
	for _, kind := range []string{"pid", "ipc", "uts", "mount", "network"} {
		namespaces = append(namespaces, object{"type": kind})
	}
	return document(specType, object{
		"ociVersion": version, "process": process(args), "root": object{"path": rootfs, "readonly": true},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc", "options": []string{"nosuid", "noexec", "nodev"}},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755", "size=64k"}},
			{"destination": insideProgram, "type": "bind", "source": program, "options": []string{"bind", "ro", "nosuid", "nodev"}},
		},
		"linux": object{
			"namespaces": namespaces, "cgroupsPath": cgroup, "maskedPaths": []string{"/proc/kcore", "/proc/keys"}, "readonlyPaths": []string{"/proc/sys"},
			"resources": object{"devices": []object{{"allow": false, "access": "rwm"}}},
		},
	})
}

func document(kind string, v any) (*anypb.Any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return &anypb.Any{TypeUrl: kind, Value: b}, nil
}
