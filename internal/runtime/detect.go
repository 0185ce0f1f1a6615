package runtime

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Detection is what Detect found, and how it was looked for.
type Detection struct {
	Endpoint Endpoint // empty: nothing to talk to
	Fixed    bool     // the configuration or kubelet named it: no other is looked for
	Exists   bool     // its socket is there
	NoCRI    bool     // containerd's configuration switches its CRI plugin off
	Docker   bool     // Docker's socket is there, or was named as the endpoint, and nothing else is
	Invalid  error    // the endpoint that was named can't be used; nil otherwise
	Tried    []string // each place that was looked at and what was found there, in order

	root string // below which it was looked
}

const (
	crictlFile        = "/etc/crictl.yaml"
	containerdFile    = "/etc/containerd/config.toml"
	containerdDefault = "/run/containerd/containerd.sock"
	crioFile          = "/etc/crio/crio.conf"
	crioFolder        = "/etc/crio/crio.conf.d"
	crioDefault       = "/run/crio/crio.sock"
)

// others are the sockets of what brings its own runtime, or its own path for one.
var others = []Endpoint{
	{"/run/k3s/containerd/containerd.sock", "k3s' and RKE2's default"},
	{"/run/k0s/containerd.sock", "k0s' default"},
	{"/var/snap/microk8s/common/run/containerd.sock", "MicroK8s' default"},
	{"/run/cri-dockerd.sock", "cri-dockerd's default"},
}

// Detect finds the CRI endpoint below a file-system root ("" is /). The first of these answers: the configured endpoint; kubelet's,
// where kubelet (may be nil) gives one with its source; then the first whose socket is there of /etc/crictl.yaml, containerd's and CRI-O's
// configuration or default, and the defaults of k3s, k0s, MicroK8s and cri-dockerd; then the first that a file names though its
// socket is missing, for then its runtime is down. It reads a few small files and connects to nothing.
func Detect(root, configured string, kubelet func() (endpoint, source string)) Detection {
	d := detector{root: filepath.Join("/", root)}
	if configured != "" {
		return d.fixed(configured, "the configuration")
	}
	if kubelet != nil {
		if endpoint, source := kubelet(); endpoint != "" {
			return d.fixed(endpoint, source)
		}
		d.note("kubelet's configuration: names no endpoint")
	}
	d.crictl()
	d.containerd()
	d.crio()
	for _, e := range others {
		d.add(candidate{Endpoint: e})
	}
	return d.choose()
}

type candidate struct {
	Endpoint
	named  bool // a file names it, or the runtime's own file is there
	noCRI  bool
	exists bool
}

type detector struct {
	root       string
	candidates []candidate
	tried      []string
}

func (d *detector) note(format string, args ...any) {
	d.tried = append(d.tried, fmt.Sprintf(format, args...))
}

func (d *detector) fixed(endpoint, source string) Detection {
	path, err := ParseEndpoint(endpoint)
	if err != nil {
		return Detection{Fixed: true, Invalid: fmt.Errorf("%s: %w", source, err)}
	}
	path = d.resolve(path)
	if docker(path) {
		return Detection{Fixed: true, Docker: true, Tried: []string{source + ": names Docker's socket " + path}}
	}
	exists, what := d.socket(path)
	return Detection{Endpoint: Endpoint{path, source}, Fixed: true, Exists: exists, Tried: []string{source + ": " + path + " " + what}}
}

func (d *detector) crictl() {
	b, ok := d.read(crictlFile)
	if !ok {
		return
	}
	var file struct {
		Endpoint string `yaml:"runtime-endpoint"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		d.note("%s: is not YAML that could be read: %v", crictlFile, err)
		return
	}
	if file.Endpoint == "" {
		d.note("%s: names no runtime-endpoint", crictlFile)
		return
	}
	d.addNamed(file.Endpoint, crictlFile, false)
}

func (d *detector) containerd() {
	b, found := d.read(containerdFile)
	value := func(key string) []string {
		v, err := tomlStrings(b, key)
		if err != nil {
			d.note("%s: %v", containerdFile, err)
		}
		return v
	}
	disabled := value("disabled_plugins")
	address := slices.Concat(
		value("grpc.address"),
		value("plugins.io.containerd.server.v1.grpc.address"), // containerd 2.3 and newer, configuration version 4
		[]string{""})[0]
	// The name of the plugin in configuration versions 1, 2 and 3.
	noCRI := slices.ContainsFunc(disabled, func(p string) bool {
		return p == "cri" || p == "io.containerd.grpc.v1.cri" || p == "io.containerd.cri.v1.runtime"
	})
	if address != "" {
		d.addNamed(address, containerdFile, noCRI)
		return
	}
	d.add(candidate{Endpoint: Endpoint{containerdDefault, "containerd's default"}, named: found, noCRI: noCRI})
}

func (d *detector) crio() {
	files := []string{crioFile}
	entries, err := os.ReadDir(filepath.Join(d.root, crioFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.note("%s: %v", crioFolder, err)
	}
	for _, e := range entries { // sorted by name; later files win (crio.conf.d(5))
		files = append(files, filepath.Join(crioFolder, e.Name()))
	}
	listen, source, found := "", "", false
	for _, file := range files {
		b, ok := d.read(file)
		if !ok {
			continue
		}
		found = true
		v, err := tomlStrings(b, "crio.api.listen")
		if err != nil {
			d.note("%s: %v", file, err)
		} else if len(v) > 0 && v[0] != "" {
			listen, source = v[0], file
		}
	}
	if listen != "" {
		d.addNamed(listen, source, false)
		return
	}
	d.add(candidate{Endpoint: Endpoint{crioDefault, "CRI-O's default"}, named: found})
}

func (d *detector) addNamed(endpoint, source string, noCRI bool) {
	path, err := ParseEndpoint(endpoint)
	if err != nil {
		d.note("%s: %v", source, err)
		return
	}
	if docker(path) {
		d.note("%s: names Docker's socket %s", source, path)
		return
	}
	d.add(candidate{Endpoint: Endpoint{path, source}, named: true, noCRI: noCRI})
}

func (d *detector) add(c candidate) {
	c.Path = d.resolve(c.Path)
	exists, what := d.socket(c.Path)
	c.exists = exists
	if c.noCRI {
		what += ", CRI plugin switched off"
	}
	d.note("%s: %s %s", c.Source, c.Path, what)
	d.candidates = append(d.candidates, c)
}

// choose takes the candidate that is most likely the node's runtime. Docker's packages bring a containerd with CRI switched off: beside
// Docker's socket that one is no runtime.
func (d *detector) choose() Detection {
	pick := func(want func(candidate) bool) (Detection, bool) {
		i := slices.IndexFunc(d.candidates, want)
		if i < 0 {
			return Detection{}, false
		}
		c := d.candidates[i]
		return Detection{Endpoint: c.Endpoint, Exists: c.exists, NoCRI: c.noCRI, Tried: d.tried}, true
	}
	if f, ok := pick(func(c candidate) bool { return c.exists && !c.noCRI }); ok {
		return f
	}
	if f, ok := pick(func(c candidate) bool { return c.named && !c.noCRI }); ok {
		return f
	}
	if is, _ := d.socket(d.resolve("/var/run/docker.sock")); is {
		return Detection{Docker: true, Tried: append(d.tried, "/var/run/docker.sock is there")}
	}
	if f, ok := pick(func(c candidate) bool { return c.exists || c.named }); ok {
		return f
	}
	return Detection{Tried: d.tried}
}

// resolve writes /var/run as /run where the one is a link to the other, so that one socket has one name.
func (d *detector) resolve(path string) string {
	rest, ok := strings.CutPrefix(path, "/var/run/")
	if !ok {
		return path
	}
	target, err := os.Readlink(filepath.Join(d.root, "/var/run"))
	if err != nil || target != "/run" && target != "../run" {
		return path
	}
	return "/run/" + rest
}

// socket reports whether a socket is there, and says what is. One that may not be looked at counts as there: connecting tells more.
func (d *detector) socket(path string) (exists bool, what string) {
	st, err := os.Stat(filepath.Join(d.root, path))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return true, "may not be looked at"
	case err != nil:
		return false, "is not there"
	case st.Mode()&fs.ModeSocket == 0:
		return false, "is no socket"
	}
	return true, "is there"
}

// read reads a small file; one that is missing or can't be read is noted.
func (d *detector) read(path string) ([]byte, bool) {
	const limit = 1 << 20
	f, err := os.Open(filepath.Join(d.root, path))
	if errors.Is(err, fs.ErrNotExist) {
		d.note("%s: is not there", path)
		return nil, false
	}
	var b []byte
	if err == nil {
		defer f.Close()
		b, err = io.ReadAll(io.LimitReader(f, limit))
	}
	if err != nil {
		d.note("%s: %v", path, err)
		return nil, false
	}
	return b, true
}
