package staticpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// volumePath is where a volume of the pod lies on the host.
func volumePath(s *corev1.PodSpec, name string, at place) (string, error) {
	for _, v := range s.Volumes {
		if v.Name != name {
			continue
		}
		switch {
		case v.HostPath != nil:
			return v.HostPath.Path, nil
		case v.EmptyDir != nil:
			return filepath.Join(at.VolumesDir, "kubernetes.io~empty-dir", name), nil
		}
		return "", fmt.Errorf("volume %s: its type is not served", name)
	}
	return "", fmt.Errorf("volume %s is not declared", name)
}

// prepareVolumes makes what the pod's volumes need and checks what they promise. It may be called again at any time. Paths can hang
// with their file system; the caller runs it in an op.
func prepareVolumes(s *corev1.PodSpec, at place) error {
	for _, v := range s.Volumes {
		var err error
		switch {
		case v.EmptyDir != nil:
			var path string
			if path, err = volumePath(s, v.Name, at); err == nil {
				err = emptyDir(path)
			}
		case v.HostPath != nil:
			kind := corev1.HostPathUnset
			if v.HostPath.Type != nil {
				kind = *v.HostPath.Type
			}
			err = hostPath(v.HostPath.Path, kind)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// emptyDir is 0777 whatever the umask, as kubelet's (pkg/volume/emptydir).
func emptyDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(path, 0o777)
}

// hostPath checks or makes a path by its type (pkg/volume/hostpath).
func hostPath(path string, kind corev1.HostPathType) error {
	switch kind {
	case corev1.HostPathUnset:
		return nil
	case corev1.HostPathDirectoryOrCreate:
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			return nil
		}
		return os.MkdirAll(path, 0o755)
	case corev1.HostPathFileOrCreate:
		if st, err := os.Stat(path); err == nil {
			if st.IsDir() {
				return fmt.Errorf("hostPath %s is a folder, want a file", path)
			}
			return nil
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	}
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("hostPath %s must be there, type %s: %w", path, kind, err)
	}
	mode := st.Sys().(*syscall.Stat_t).Mode & unix.S_IFMT
	want := map[corev1.HostPathType]uint32{
		corev1.HostPathDirectory: unix.S_IFDIR, corev1.HostPathFile: unix.S_IFREG, corev1.HostPathSocket: unix.S_IFSOCK,
		corev1.HostPathCharDev: unix.S_IFCHR, corev1.HostPathBlockDev: unix.S_IFBLK,
	}[kind]
	if mode != want {
		return fmt.Errorf("hostPath %s is not of type %s", path, kind)
	}
	return nil
}
