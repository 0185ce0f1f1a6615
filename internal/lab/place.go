package lab

import (
	"fmt"
	"path/filepath"
	"regexp"
)

// runBase holds the run folder of every lab. It is short because containerd's
// socket must fit into sun_path, 108 bytes.
const runBase = "/run/nodeagent-lab"

// maxName keeps the bridge's name within IFNAMSIZ, 15 characters.
const maxName = 15 - len(bridgePrefix)

const bridgePrefix = "nal-"

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// place says where the parts of a lab are. It is derived from name and folder,
// never stored, so that Cleanup needs nothing else.
type place struct {
	name string
	dir  string // absolute, symlinks resolved
}

func newPlace(name, dir string) (place, error) {
	if len(name) > maxName || !nameForm.MatchString(name) {
		return place{}, fmt.Errorf("lab name %q: want 1 to %d of a-z, 0-9 and inner dashes", name, maxName)
	}
	if dir == "" {
		return place{}, fmt.Errorf("lab %s: no folder given", name)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return place{}, fmt.Errorf("lab %s: folder: %w", name, err)
	}
	// mountinfo and /proc show resolved paths. A folder that is not there yet
	// resolves as far as it exists.
	if abs, err = resolve(abs); err != nil {
		return place{}, fmt.Errorf("lab %s: folder: %w", name, err)
	}
	if abs == "/" {
		return place{}, fmt.Errorf("lab %s: the folder may not be /", name)
	}
	return place{name: name, dir: abs}, nil
}

func (p place) run() string       { return filepath.Join(runBase, p.name) }
func (p place) socket() string    { return filepath.Join(p.run(), "containerd.sock") }
func (p place) state() string     { return filepath.Join(p.run(), "state") }
func (p place) ociRoot() string   { return filepath.Join(p.run(), "oci") }
func (p place) root() string      { return filepath.Join(p.dir, "root") }
func (p place) temp() string      { return filepath.Join(p.dir, "tmp") }
func (p place) config() string    { return filepath.Join(p.dir, "containerd.toml") }
func (p place) log() string       { return filepath.Join(p.dir, "containerd.log") }
func (p place) cniConf() string   { return filepath.Join(p.dir, "cni", "conf") }
func (p place) cniIPAM() string   { return filepath.Join(p.dir, "cni", "ipam") }
func (p place) manifests() string { return filepath.Join(p.dir, "manifests") }
func (p place) podLogs() string   { return filepath.Join(p.dir, "logs") }
func (p place) record() string    { return filepath.Join(p.dir, "lab.json") }
func (p place) bridge() string    { return bridgePrefix + p.name }
func (p place) cgroup() string    { return "/nodeagent-lab-" + p.name }

// folders are those that a lab needs before containerd starts.
func (p place) folders() []string {
	return []string{p.state(), p.ociRoot(), p.root(), p.temp(), p.cniConf(), p.cniIPAM(), p.manifests(), p.podLogs()}
}

// resolve follows the symlinks of the part of path that exists.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return "", err
	}
	if parent, err = resolve(parent); err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(path)), nil
}
