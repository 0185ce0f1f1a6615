package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

// want is a setting that a part of the node needs.
type want struct {
	name  string // as sysctl(8) takes it
	value string
	why   string
}

// protected are the settings that a kubelet with protectKernelDefaults wants to find, exactly (pkg/kubelet/cm, setupKernelTunables, and
// k8s.io/component-helpers/node/util/sysctl). Without it, it sets them itself.
var protected = []want{
	{"vm.overcommit_memory", "1", ""}, {"vm.panic_on_oom", "0", ""}, {"kernel.panic", "10", ""}, {"kernel.panic_on_oops", "1", ""},
	{"kernel.keys.root_maxkeys", "1000000", ""}, {"kernel.keys.root_maxbytes", "25000000", ""},
}

// wanted settings of this node.
func wanted(k Kubelet) []want {
	if !k.Here {
		return nil
	}
	var out []want
	if !k.ForwardingSeen {
		out = append(out, want{"net.ipv4.ip_forward", "1", "or no packet leaves a pod's network"})
	}
	if k.ProtectKernel {
		for _, w := range protected {
			w.why = "or kubelet does not start: protectKernelDefaults"
			out = append(out, w)
		}
	}
	return out
}

// setting is what the kernel has.
type setting struct {
	value string
	err   error
}

func readSetting(cfg Config, name string) setting {
	b, err := os.ReadFile(cfg.path("/proc/sys/" + strings.ReplaceAll(name, ".", "/")))
	return setting{strings.TrimSpace(string(b)), err}
}

func judgeSetting(w want, s setting) health.Finding {
	f := fine("")
	switch {
	case s.err != nil:
		f = unknown(reasonUnread, s.err)
	case s.value != w.value:
		f = failing(reasonSysctl, fmt.Sprintf("%s is %s and must be %s, %s", w.name, s.value, w.value, w.why),
			health.Pair{Key: "is", Value: s.value}, health.Pair{Key: "want", Value: w.value})
	}
	f.Subject = w.name
	return f
}

// stores are folders that hold something where the runtime uses overlays.
var stores = []string{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots", "/var/lib/containers/storage/overlay"}

// needed modules of this node, by name. A store whose disk does not answer is in use.
func needed(cfg Config, d *disks) []string {
	for _, store := range stores {
		if d.holds(cfg.path(store), cfg.Timeout) {
			return []string{"overlay"}
		}
	}
	return nil
}

// modules is what the kernel has and could have.
type modules struct {
	release string
	folder  bool            // /lib/modules of the kernel that runs is there
	known   map[string]bool // built in, or a file that can be loaded
	err     error
}

func readModules(cfg Config) modules {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return modules{err: fmt.Errorf("uname: %w", err)}
	}
	return readModulesOf(cfg, unix.ByteSliceToString(u.Release[:]))
}

func readModulesOf(cfg Config, release string) modules {
	m := modules{release: release, known: map[string]bool{}}
	for _, name := range []string{"modules.builtin", "modules.dep"} {
		b, err := os.ReadFile(cfg.path("/lib/modules/" + release + "/" + name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			m.err = err
			return m
		}
		m.folder = true
		for line := range strings.Lines(string(b)) {
			file, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			base, _, _ := strings.Cut(path.Base(file), ".ko")
			m.known[strings.ReplaceAll(base, "-", "_")] = true
		}
	}
	return m
}

// loaded tells of a module that is loaded, or built in and has parameters or a file system.
func loaded(cfg Config, name string) bool {
	if _, err := os.Stat(cfg.path("/sys/module/" + name)); err == nil {
		return true
	}
	b, err := os.ReadFile(cfg.path("/proc/filesystems"))
	return err == nil && strings.Contains("\n"+string(b), "\t"+name+"\n")
}

func judgeModule(name string, loaded bool, m modules) health.Finding {
	f := fine("")
	switch {
	case loaded:
	case m.err != nil:
		f = unknown(reasonUnread, m.err)
	case m.known[name]:
		f = fine("is loaded when it is first used")
	case !m.folder:
		f = failing(reasonModules, "module "+name+" is not loaded, and /lib/modules/"+m.release+" is not there")
	default:
		f = failing(reasonModule, "the kernel "+m.release+" has no module "+name)
	}
	f.Subject = "module " + name
	return f
}
