package agent

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/config"
	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

// PodManifest is what the manifest of a pod says, as it lies in its folder now.
type PodManifest struct {
	manifest.Pod
	Path string
	QOS  string // Guaranteed, Burstable, BestEffort
	// Changed is true where what runs is of another content, as far as its hash tells.
	Changed bool
	// Cgroups are where the pod's cgroup lies below a hierarchy, by either driver; none where this agent does not run it.
	Cgroups []string
}

// ManifestOf reads the manifest of a pod that a status shows. It asks nobody; an error says why the manifest is not known. Where the status
// does not say its file, as while the runtime can't be asked, the folder is looked through.
func ManifestOf(c config.Config, node string, p view.Pod) (PodManifest, error) {
	o := manifest.Options{NodeName: node, Mode: manifest.Run}
	if c.StaticPods.Mode != config.ModeRun {
		o.Mode = manifest.Kubelet
	}
	dir := manifestFolder(c)
	if p.File == "" {
		l := folder.Read(dir, time.Now())
		for _, name := range slices.Sorted(maps.Keys(l.Files)) {
			if m, ok := podIn(inFolder(dir, name), l.Files[name].Bytes, c, o, p); ok {
				return m, nil
			}
		}
		return PodManifest{}, errors.Join(fmt.Errorf("no file in %s holds it", dir), l.Err)
	}
	path := p.File
	if !filepath.IsAbs(path) {
		path = inFolder(dir, path)
	}
	b, err := readManifest(path)
	if err != nil {
		return PodManifest{}, fmt.Errorf("read its manifest: %w", err)
	}
	m, ok := podIn(path, b, c, o, p)
	if !ok {
		return PodManifest{}, fmt.Errorf("%s does not hold it, or is refused: see `nodeagent validate %s`", path, path)
	}
	return m, nil
}

// podIn finds a pod in a manifest's content.
func podIn(path string, b []byte, c config.Config, o manifest.Options, p view.Pod) (PodManifest, bool) {
	for _, m := range manifest.Parse(path, b, o).Pods {
		if m.Namespace != p.Namespace || m.Name != p.Name && manifest.NodePodName(m.Name, o.NodeName) != p.Name {
			continue
		}
		class := cgroup.QOS(&m.Spec.Spec)
		was, _, _ := strings.Cut(p.Hash, "+") // what follows is of the objects that it reads
		out := PodManifest{Pod: m, Path: path, QOS: string(class), Changed: was != "" && was != m.Hash}
		if o.Mode == manifest.Run && p.UID != "" {
			out.Cgroups = []string{cgroup.Parent(c.CgroupRoot, false, class, p.UID), slicePath(cgroup.Parent(c.CgroupRoot, true, class, p.UID))}
		}
		return out, true
	}
	return PodManifest{}, false
}

// manifestFolder is that of the mode: a kubelet's own where it is not said.
func manifestFolder(c config.Config) string {
	if c.StaticPodPath == "" {
		return newFacts().get().Config.StaticPodPath
	}
	return c.StaticPodPath
}

// inFolder is the path of a file of the folder, which may itself be the one file.
func inFolder(folder, file string) string {
	if st, err := os.Stat(folder); err == nil && !st.IsDir() && filepath.Base(folder) == file {
		return folder
	}
	return filepath.Join(folder, file)
}

// slicePath is where a slice lies: a-b-c.slice in /a.slice/a-b.slice/a-b-c.slice (systemd.slice(5)).
func slicePath(slice string) string {
	out, name := "/", ""
	for part := range strings.SplitSeq(strings.TrimSuffix(slice, ".slice"), "-") {
		name += part
		out = filepath.Join(out, name+".slice")
		name += "-"
	}
	return out
}

// readManifest reads a regular file, and opens without blocking: a FIFO would hold it for ever.
func readManifest(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	return io.ReadAll(io.LimitReader(f, manifest.MaxBytes+1))
}
