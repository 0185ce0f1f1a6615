package lab

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// version is containerd's, as far as its configuration depends on it.
type version struct {
	major, minor int
	text         string // as containerd prints it
}

func (v version) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

// numberAt matches the version in "containerd github.com/containerd/containerd 1.6.20~ds1 ..."
// and in "containerd github.com/containerd/containerd/v2 v2.4.2 ...".
var numberAt = regexp.MustCompile(`^v?(\d+)\.(\d+)(\.|$)`)

// parseVersion reads the output of `containerd --version`.
func parseVersion(out string) (version, error) {
	for word := range strings.FieldsSeq(out) {
		m := numberAt.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		major, err1 := strconv.Atoi(m[1])
		minor, err2 := strconv.Atoi(m[2])
		if err1 != nil || err2 != nil {
			continue
		}
		return version{major: major, minor: minor, text: strings.TrimPrefix(word, "v")}, nil
	}
	return version{}, fmt.Errorf("no version number in %q", strings.TrimSpace(out))
}

func containerdVersion(ctx context.Context, path string) (version, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return version{}, fmt.Errorf("%s --version: %w", path, err)
	}
	v, err := parseVersion(string(out))
	if err != nil {
		return version{}, fmt.Errorf("%s --version: %w", path, err)
	}
	// A containerd built by `go install` says "unknown" or 2.x+unknown; before
	// 1.6 CRI v1 is missing.
	if !v.atLeast(1, 6) {
		return version{}, fmt.Errorf("%s is containerd %s: want 1.6 or newer (CRI v1)", path, v.text)
	}
	return v, nil
}

// handler is one OCI runtime that pods can ask for by name.
type handler struct {
	name   string
	binary string // absolute path
}

// settings is what containerd's configuration is made of.
type settings struct {
	place       place
	version     version
	snapshotter string
	pauseImage  string
	cniBin      string
	handlers    []handler // the first is the default
	// restrictOOM has the runtime ask for no oom_score_adj below containerd's own:
	// lowering it needs CAP_SYS_RESOURCE, which root in a box may lack.
	restrictOOM bool
}

// render gives containerd's configuration. Every path that a plugin writes to
// lies below the lab's folders: /opt/containerd, /etc/cni and the daemon of the
// host are left alone.
func (s settings) render() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }

	three := s.version.atLeast(2, 0)
	if three {
		line("version = 3")
	} else {
		line("version = 2")
	}
	line("root = %q", s.place.root())
	line("state = %q", s.place.state())
	line("temp = %q", s.place.temp())
	line("imports = []")
	// aufs runs modprobe, the others want devices that a lab does not have.
	line("disabled_plugins = [%q, %q, %q, %q]",
		"io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
		"io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs")
	line("\n[grpc]\naddress = %q", s.place.socket())
	line("\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = %q", s.place.dir+"/opt")
	if s.version.atLeast(1, 7) {
		line("\n[plugins.\"io.containerd.nri.v1.nri\"]\ndisable = true")
	}

	const grpcCRI = `plugins."io.containerd.grpc.v1.cri"`
	runtime := grpcCRI
	if three {
		runtime = `plugins."io.containerd.cri.v1.runtime"`
	}
	line("\n[%s]", grpcCRI)
	line("disable_tcp_service = true\nstream_server_address = \"127.0.0.1\"\nstream_server_port = \"0\"")
	if three {
		line("\n[plugins.\"io.containerd.cri.v1.images\"]\nsnapshotter = %q", s.snapshotter)
		line("\n[plugins.\"io.containerd.cri.v1.images\".pinned_images]\nsandbox = %q", s.pauseImage)
		line("\n[%s]", runtime)
	} else {
		line("sandbox_image = %q", s.pauseImage)
	}
	// Namespaces below the state folder are found again by their path.
	line("netns_mounts_under_state_dir = true")
	line("restrict_oom_score_adj = %t", s.restrictOOM)
	line("\n[%s.cni]", runtime)
	line("conf_dir = %q", s.place.cniConf())
	if s.version.atLeast(2, 3) {
		line("bin_dirs = [%q]", s.cniBin)
	} else {
		line("bin_dir = %q", s.cniBin)
	}
	line("\n[%s.containerd]\ndefault_runtime_name = %q", runtime, s.handlers[0].name)
	if !three {
		line("snapshotter = %q", s.snapshotter)
	}
	for _, h := range s.handlers {
		line("\n[%s.containerd.runtimes.%q]\nruntime_type = \"io.containerd.runc.v2\"", runtime, h.name)
		line("\n[%s.containerd.runtimes.%q.options]\nBinaryName = %q\nRoot = %q\nSystemdCgroup = false",
			runtime, h.name, h.binary, s.place.ociRoot()+"/"+h.name)
	}
	return b.String()
}
