package component

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Most that is read of a folder of manifests: a control plane has four files of a few kilobytes.
const (
	maxManifests    = 256
	maxManifestSize = 1 << 20
)

// mirrored is the part of a pod that is read.
type mirrored struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec struct {
		Containers []struct {
			Name    string   `yaml:"name"`
			Image   string   `yaml:"image"`
			Command []string `yaml:"command"`
			Args    []string `yaml:"args"`
		} `yaml:"containers"`
	} `yaml:"spec"`
}

// declared is a component in a manifest.
type declared struct {
	file  string
	pod   string // its name in the manifest, without the node's
	flags flags
}

// parseManifest finds the known programs among the containers of a file's pods. Of a file that breaks off with an error, what came before counts.
func parseManifest(file string, text []byte, programs []string) (map[string]declared, error) {
	out := map[string]declared{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var p mirrored
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, fmt.Errorf("parse %s: it is no valid YAML", file) // the decoder's own words repeat values
		}
		if p.Kind != "Pod" {
			continue
		}
		for _, c := range p.Spec.Containers {
			words := append(append([]string{}, c.Command...), c.Args...)
			for _, program := range programs {
				rest, ok := after(program, words)
				if !ok && (len(c.Command) > 0 || imageName(c.Image) != program) {
					continue
				}
				if !ok {
					rest = c.Args
				}
				if _, twice := out[program]; !twice {
					out[program] = declared{file: file, pod: p.Metadata.Name, flags: parseFlags(rest)}
				}
			}
		}
	}
}

// imageName is the last part of an image's name.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	base := path.Base(image)
	base, _, _ = strings.Cut(base, ":")
	return base
}

// left tells a file that an editor or a careful person left beside the one that counts: kubelet reads it, and a component in it is not what is meant.
func left(name string) bool {
	for _, end := range []string{".bak", ".backup", "~", ".swp", ".orig", ".old", ".rpmsave", ".rpmnew", ".dpkg-old", ".dpkg-new", "#"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(name, ".")
}

// relisted is after how long folders are read again that seem to be as they were: a file may have been written in place.
const relisted = 10 * time.Second

// manifests reads folders of manifests, a file again only if it changed. Several loops ask every few seconds, and a folder may have hundreds of
// files of which none is about a component: it is listed again if it or a file that was told of has changed, and now and then.
type manifests struct {
	files   map[string]manifestFile
	folders map[string]time.Time // when each path changed last, zero for one that is not there
	listed  time.Time
	out     map[string]declared
	faults  map[string]error
}

type manifestFile struct {
	changed time.Time
	size    int64
	found   map[string]declared
	err     error
}

// read lists the components of all paths. A path that can't be listed, or a file that can't be read, is a fault by its path; what is not there is
// none. The maps are not to be changed.
func (m *manifests) read(paths, programs []string, now time.Time) (map[string]declared, map[string]error) {
	folders := map[string]time.Time{}
	for _, p := range paths {
		folders[p] = changedAt(p)
	}
	if len(m.faults) == 0 && now.Sub(m.listed) < relisted && maps.EqualFunc(folders, m.folders, time.Time.Equal) && m.same() {
		return m.out, m.faults
	}
	m.out, m.faults, m.folders, m.listed = map[string]declared{}, map[string]error{}, folders, now
	kept := map[string]manifestFile{}
	for _, p := range paths {
		files, err := listManifests(p)
		if err != nil {
			m.faults[p] = err
		}
		for _, file := range files {
			f, ok := m.file(file, programs)
			if !ok {
				continue
			}
			kept[file] = f
			if f.err != nil {
				m.faults[file] = f.err
			}
			for program, d := range f.found {
				if _, twice := m.out[program]; !twice {
					m.out[program] = d
				}
			}
		}
	}
	m.files = kept
	return m.out, m.faults
}

// same reports whether the files that tell of a component are as they were read.
func (m *manifests) same() bool {
	for path, f := range m.files {
		if len(f.found) == 0 {
			continue
		}
		if info, err := os.Stat(path); err != nil || !f.changed.Equal(info.ModTime()) || f.size != info.Size() {
			return false
		}
	}
	return true
}

func changedAt(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (m *manifests) file(file string, programs []string) (manifestFile, bool) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxManifestSize {
		return manifestFile{}, false // gone since it was listed, or no manifest
	}
	if f, ok := m.files[file]; ok && f.changed.Equal(info.ModTime()) && f.size == info.Size() && f.err == nil {
		return f, true
	}
	f := manifestFile{changed: info.ModTime(), size: info.Size()}
	text, err := os.ReadFile(file)
	if err != nil {
		f.err = fmt.Errorf("read manifest: %w", err)
		return f, true
	}
	f.found, f.err = parseManifest(file, text, programs)
	return f, true
}

func listManifests(p string) ([]string, error) {
	entries, err := os.ReadDir(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		if info, statErr := os.Stat(p); statErr == nil && info.Mode().IsRegular() {
			return []string{p}, nil
		}
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	var out []string
	for _, e := range entries {
		if !left(e.Name()) && !e.IsDir() && len(out) < maxManifests {
			out = append(out, filepath.Join(p, e.Name()))
		}
	}
	return out, nil
}
