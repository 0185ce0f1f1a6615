package lab

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

const (
	shimSockets = "/run/containerd/s"    // containerd's pkg/shim: one socket a shim, named by a hash
	cniResults  = "/var/lib/cni/results" // libcni.CacheDir
)

// Leftovers lists what is there of the named lab, one line a thing: processes,
// mounts (network namespaces too), links, cgroups and files. A lab that was closed
// leaves none. Reading needs root; an error stands in the list as a line, so
// that an empty list is a proof.
func Leftovers(name, dir string) []string {
	p, err := newPlace(name, dir)
	if err != nil {
		return []string{err.Error()}
	}
	found, err := find(p)
	lines := found.lines()
	if err != nil {
		lines = append(lines, "could not look: "+err.Error())
	}
	return lines
}

// leftovers is all that there is of a lab.
type leftovers struct {
	procs   []proc
	mounts  []string // mount points, in the order of mounting
	links   []string
	cgroups []string // folders, deepest first
	files   []string // outside of the lab's own folders
	folders []string // the lab's own
}

func (l leftovers) lines() []string {
	var out []string
	for _, p := range l.procs {
		out = append(out, p.String())
	}
	for _, group := range []struct {
		kind  string
		names []string
	}{{"mount", l.mounts}, {"link", l.links}, {"cgroup", l.cgroups}, {"file", l.files}, {"folder", l.folders}} {
		for _, n := range group.names {
			out = append(out, group.kind+" "+n)
		}
	}
	return out
}

// find looks at the host as it is now. What it finds belongs to the lab: by
// path, by name, or by what the lab's own folders say.
func find(p place) (leftovers, error) {
	var l leftovers
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	bundles, err := readBundles(p)
	note(err)

	cgroups := []string{p.cgroup()}
	for _, b := range bundles {
		if b.cgroup != "" && !below(b.cgroup, p.cgroup()) {
			cgroups = append(cgroups, b.cgroup)
		}
		if b.socket != "" && exists(b.socket) && !slices.Contains(l.files, b.socket) {
			l.files = append(l.files, b.socket)
		}
	}
	orphans, err := orphanSockets(p)
	note(err)
	for _, socket := range orphans {
		if !slices.Contains(l.files, socket) {
			l.files = append(l.files, socket)
		}
	}
	l.mounts, err = mountsBelow(p)
	note(err)

	m := marks{place: p, cgroups: cgroups}
	for _, mount := range l.mounts {
		if filepath.Base(mount) != "rootfs" {
			continue
		}
		if id, err := fileIDOf(mount); err == nil {
			m.roots = append(m.roots, id)
		}
	}
	procs, err := readProcs()
	note(err)
	l.procs = m.choose(procs)

	links, err := labLinks(p)
	note(err)
	for _, link := range links {
		l.links = append(l.links, link.Attrs().Name)
	}
	l.cgroups, err = cgroupFolders(cgroups)
	note(err)
	results, err := cniResultFiles(p)
	note(err)
	l.files = append(l.files, results...)

	if exists(p.run()) {
		l.folders = append(l.folders, p.run())
	}
	ours, err := marked(p)
	note(err)
	if ours {
		l.folders = append(l.folders, p.dir)
	}
	return l, errors.Join(errs...)
}

// bundle is what containerd keeps on disk of one container's shim.
type bundle struct {
	cgroup string // "" if not known
	socket string
}

var (
	containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)
	shimSocket  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// readBundles reads the bundles of all namespaces. A pod created without the
// lab's cgroup parent has its cgroup elsewhere: only its bundle tells where.
func readBundles(p place) ([]bundle, error) {
	dirs, err := filepath.Glob(filepath.Join(p.state(), "io.containerd.runtime.v2.task", "*", "*"))
	if err != nil {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	var out []bundle
	for _, dir := range dirs {
		var b bundle
		id := filepath.Base(dir)
		if data, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
			b.cgroup = bundleCgroup(id, data)
		}
		// containerd 1.6 writes address; 2.x writes bootstrap.json.
		if data, err := os.ReadFile(filepath.Join(dir, "address")); err == nil {
			b.socket = ownSocket(string(data))
		}
		if data, err := os.ReadFile(filepath.Join(dir, "bootstrap.json")); err == nil && b.socket == "" {
			var boot struct {
				Address string `json:"address"`
			}
			if json.Unmarshal(data, &boot) == nil {
				b.socket = ownSocket(boot.Address)
			}
		}
		if b != (bundle{}) {
			out = append(out, b)
		}
	}
	return out, nil
}

// bundleCgroup gives the cgroup path of an OCI config, if it is one of this
// container alone: it must end with the container's id.
func bundleCgroup(id string, config []byte) string {
	var spec struct {
		Linux struct {
			CgroupsPath string `json:"cgroupsPath"`
		} `json:"linux"`
	}
	if json.Unmarshal(config, &spec) != nil || !containerID.MatchString(id) {
		return ""
	}
	path := filepath.Clean(spec.Linux.CgroupsPath)
	if !filepath.IsAbs(path) || filepath.Base(path) != id {
		return ""
	}
	return path
}

// ownSocket gives the path of a shim's address, if it is a file in the folder of
// shim sockets.
func ownSocket(address string) string {
	path := strings.TrimPrefix(strings.TrimSpace(address), "unix://")
	if filepath.Dir(path) != shimSockets || !shimSocket.MatchString(filepath.Base(path)) {
		return ""
	}
	return path
}

var idInLog = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// orphanSockets are sockets of shims whose bundle is gone: a shim that was
// killed leaves its socket behind. containerd names it by a hash of its own
// address, namespace and container id (pkg/shim SocketAddress), and logs every id; the
// address makes the hash the lab's alone.
func orphanSockets(p place) ([]string, error) {
	log, err := os.ReadFile(p.log())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read containerd's log: %w", err)
	}
	seen := map[string]bool{}
	var out []string
	for _, id := range idInLog.FindAll(log, -1) {
		if seen[string(id)] {
			continue
		}
		seen[string(id)] = true
		if socket := socketOf(p, string(id)); exists(socket) {
			out = append(out, socket)
		}
	}
	return out, nil
}

func socketOf(p place, id string) string {
	return filepath.Join(shimSockets, fmt.Sprintf("%x", sha256.Sum256([]byte(filepath.Join(p.socket(), "k8s.io", id)))))
}

// mountsBelow are the mount points strictly below the lab's folders.
func mountsBelow(p place) ([]string, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !below(m.Mountpoint, p.run()) && !below(m.Mountpoint, p.dir), false
	})
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var out []string
	for _, m := range mounts {
		out = append(out, m.Mountpoint)
	}
	return out, nil
}

// cniResultFiles are libcni's cached results of this lab's pods. They name the
// pod's network namespace, which lies below the lab's state folder.
func cniResultFiles(p place) ([]string, error) {
	entries, err := os.ReadDir(cniResults)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list CNI results: %w", err)
	}
	want := []byte(`"` + p.state() + `/`)
	var out []string
	for _, e := range entries {
		path := filepath.Join(cniResults, e.Name())
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, want) {
			out = append(out, path)
		}
	}
	return out, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
