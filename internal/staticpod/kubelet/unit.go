package kubelet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unitDirs are systemd's folders, the strongest first (systemd.unit(5)).
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// unit is a service as systemd would read it.
type unit struct {
	path    string   // of the file that counts; empty: there is none
	masked  bool     // it leads to /dev/null, or is empty
	enabled bool     // some target wants it
	dropins []string // paths, in order
	command []string // the last ExecStart=, variables expanded; nil: none
}

// unit reads a service with its drop-ins and environment files.
func (h *host) unit(name string) unit {
	var u unit
	var lines []setting
	for _, dir := range unitDirs {
		path := dir + "/" + name
		if !h.exists(path) {
			continue
		}
		u.path = path
		if h.null(path) {
			u.masked = true
			break
		}
		if b, ok := h.read(path); ok {
			u.masked = len(b) == 0
			lines = parseUnit(string(b))
		}
		break
	}
	for _, path := range h.dropins(name + ".d") {
		u.dropins = append(u.dropins, path)
		if b, ok := h.read(path); ok {
			lines = append(lines, parseUnit(string(b))...)
		}
	}
	for _, dir := range unitDirs {
		for _, n := range h.names(dir) {
			if (strings.HasSuffix(n, ".wants") || strings.HasSuffix(n, ".requires")) && h.exists(dir+"/"+n+"/"+name) {
				u.enabled = true
			}
		}
	}
	u.command = h.command(lines)
	return u
}

// null tells whether a path is a link to /dev/null.
func (h *host) null(path string) bool {
	to, err := os.Readlink(h.real(path, false))
	return err == nil && filepath.Clean(to) == "/dev/null"
}

// dropins are the files of every folder of that name, by base name; of two of one name the stronger folder's counts, and one that
// leads to /dev/null hides the others.
func (h *host) dropins(dir string) []string {
	found := map[string]string{}
	var names []string
	for _, d := range unitDirs {
		for _, n := range h.names(d + "/" + dir) {
			if _, ok := found[n]; ok || !strings.HasSuffix(n, ".conf") {
				continue
			}
			found[n] = d + "/" + dir + "/" + n
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var out []string
	for _, n := range names {
		if !h.null(found[n]) {
			out = append(out, found[n])
		}
	}
	return out
}

// command is the last ExecStart= after the merge, its variables expanded.
func (h *host) command(lines []setting) []string {
	exec := ""
	env := map[string]string{}
	var files []string
	for _, s := range lines {
		if s.section != "Service" {
			continue
		}
		switch s.key {
		case "ExecStart":
			exec = s.value
		case "Environment":
			if s.value == "" {
				env = map[string]string{}
			}
			for _, w := range words(s.value) {
				if k, v, ok := strings.Cut(w, "="); ok {
					env[k] = v
				}
			}
		case "EnvironmentFile":
			if s.value == "" {
				files = nil
				continue
			}
			files = append(files, s.value)
		}
	}
	for _, f := range files { // they override Environment= (systemd.exec(5))
		path, optional := strings.CutPrefix(f, "-")
		b, ok := h.read(path)
		if !ok && !optional && !h.exists(path) {
			h.problem("%s: an EnvironmentFile of kubelet's unit does not exist", path)
		}
		for k, v := range parseEnv(string(b)) {
			env[k] = v
		}
	}
	return expand(words(strings.TrimLeft(exec, "@-:+!|")), env)
}

// kubeadmFlags reads kubeadm's own environment files, for a node whose unit is gone.
func (h *host) kubeadmFlags() (flags, string) {
	const path = "/var/lib/kubelet/kubeadm-flags.env"
	args := []string{"kubelet"}
	source := ""
	for _, f := range []struct{ path, key string }{
		{path, "KUBELET_KUBEADM_ARGS"}, {"/etc/default/kubelet", "KUBELET_EXTRA_ARGS"}, {"/etc/sysconfig/kubelet", "KUBELET_EXTRA_ARGS"},
	} {
		b, ok := h.read(f.path)
		if !ok {
			continue
		}
		if w := strings.Fields(parseEnv(string(b))[f.key]); len(w) > 0 {
			args = append(args, w...)
			if source == "" {
				source = "flag in " + f.path
			}
		}
	}
	return parseFlags(args), source
}
