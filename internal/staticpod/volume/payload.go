package volume

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/downward"
)

// defaultMode of files in a volume (the API's default).
const defaultMode = 0o644

// file of a volume that we write.
type file struct {
	data []byte
	mode uint32
}

func (f file) equal(g file) bool { return f.mode == g.mode && bytes.Equal(f.data, g.data) }

// payload is all files of a volume by their path in it.
type payload map[string]file

// collect is what the volume's files should be. What is missing and not optional is an error that holds a Missing.
func (in Input) collect(v *corev1.Volume) (payload, error) {
	files := payload{}
	var errs []error
	switch {
	case v.ConfigMap != nil:
		errs = append(errs, in.object(files, ConfigMap, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional))
	case v.Secret != nil:
		errs = append(errs, in.object(files, Secret, v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional))
	case v.DownwardAPI != nil:
		errs = append(errs, in.downward(files, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode))
	case v.Projected != nil:
		mode := v.Projected.DefaultMode
		for i, s := range v.Projected.Sources {
			var err error
			switch {
			case s.ConfigMap != nil:
				err = in.object(files, ConfigMap, s.ConfigMap.Name, s.ConfigMap.Items, mode, s.ConfigMap.Optional)
			case s.Secret != nil:
				err = in.object(files, Secret, s.Secret.Name, s.Secret.Items, mode, s.Secret.Optional)
			case s.DownwardAPI != nil:
				err = in.downward(files, s.DownwardAPI.Items, mode)
			default:
				err = fmt.Errorf("source %d is of a kind that is not served: use configMap, secret or downwardAPI", i)
			}
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return files, files.check()
}

// object adds the keys of a ConfigMap or Secret: all, each as a file of its name, or those of items.
func (in Input) object(files payload, kind, name string, items []corev1.KeyToPath, mode *int32, optional *bool) error {
	may := optional != nil && *optional
	data, ok := in.Objects(kind, in.Facts.Namespace, name)
	missing := Missing{Kind: kind, Namespace: in.Facts.Namespace, Name: name}
	if !ok {
		if may {
			return nil
		}
		return missing
	}
	if len(items) == 0 {
		for k, b := range data {
			files[k] = file{b, modeOf(nil, mode)}
		}
		return nil
	}
	var errs []error
	for _, i := range items {
		b, ok := data[i.Key]
		switch {
		case ok:
			files[path.Clean(i.Path)] = file{b, modeOf(i.Mode, mode)}
		case !may:
			missing.Key = i.Key
			errs = append(errs, missing)
		}
	}
	return errors.Join(errs...)
}

func (in Input) downward(files payload, items []corev1.DownwardAPIVolumeFile, mode *int32) error {
	var errs []error
	for _, i := range items {
		value, err := in.value(i)
		if err != nil {
			errs = append(errs, fmt.Errorf("file %s: %w", i.Path, err))
			continue
		}
		files[path.Clean(i.Path)] = file{[]byte(value), modeOf(i.Mode, mode)}
	}
	return errors.Join(errs...)
}

func (in Input) value(i corev1.DownwardAPIVolumeFile) (string, error) {
	switch {
	case i.FieldRef != nil:
		return downward.Field(i.FieldRef.FieldPath, in.Facts)
	case i.ResourceFieldRef != nil:
		name, spec := i.ResourceFieldRef.ContainerName, &in.Facts.Pod.Spec
		for _, cs := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
			if n := slices.IndexFunc(cs, func(c corev1.Container) bool { return c.Name == name }); n >= 0 {
				return downward.Resource(&cs[n], i.ResourceFieldRef, in.Facts)
			}
		}
		return "", fmt.Errorf("there is no container %q: correct containerName", name)
	}
	return "", errors.New("it has no fieldRef and no resourceFieldRef: add one")
}

func modeOf(own, all *int32) uint32 {
	for _, m := range []*int32{own, all} {
		if m != nil {
			return uint32(*m) & 0o777
		}
	}
	return defaultMode
}

// check holds that all paths lie in the volume, none takes a name of the writer's own (..data and the like), and no file is where another
// needs a folder (pkg/volume/util/atomic_writer.go).
func (p payload) check() error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if err := checkPath(name); err != nil {
			return err
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := p[dir]; ok {
				return fmt.Errorf("path %q is a file and, for %q, a folder: give one of them another path", dir, name)
			}
		}
	}
	return nil
}

func checkPath(name string) error {
	switch {
	case name == "" || name == "." || name[0] == '/' || path.Clean(name) != name:
		return fmt.Errorf("path %q in the volume must be relative, and the path of a file", name)
	case strings.HasPrefix(name, ".."):
		return fmt.Errorf("path %q in the volume begins with .., which it must not", name)
	case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return fmt.Errorf("path %q in the volume is not text", name)
	case len(name) > 2048: // room for the volume's own path below PATH_MAX, 4096
		return fmt.Errorf("path %.40q... in the volume is longer than 2048 bytes", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 255 { // NAME_MAX
			return fmt.Errorf("path %.40q... in the volume has a name longer than 255 bytes", name)
		}
	}
	return nil
}
