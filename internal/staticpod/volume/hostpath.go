package volume

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// hostPath checks or makes a path by its type (pkg/volume/hostpath). It may take until ctx ends.
func hostPath(ctx context.Context, c *Calls, src *corev1.HostPathVolumeSource) error {
	if !filepath.IsAbs(src.Path) || slices.Contains(strings.Split(src.Path, "/"), "..") {
		return fmt.Errorf("hostPath %q is not an absolute path, or has .. in it", src.Path)
	}
	kind := corev1.HostPathUnset
	if src.Type != nil {
		kind = *src.Type
	}
	if kind == corev1.HostPathUnset {
		return nil
	}
	_, err := do(ctx, c, src.Path, func() (struct{}, error) { return struct{}{}, hostPathOf(kind, src.Path) }, nil)
	return err
}

func hostPathOf(kind corev1.HostPathType, path string) error {
	switch kind {
	case corev1.HostPathDirectoryOrCreate:
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			return nil
		}
		return os.MkdirAll(path, 0o755)
	case corev1.HostPathFileOrCreate:
		if st, err := os.Stat(path); err == nil {
			if st.IsDir() {
				return fmt.Errorf("hostPath %s is a folder and its type is %s: correct the path or the type", path, kind)
			}
			return nil
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	}
	want, ok := map[corev1.HostPathType]uint32{
		corev1.HostPathDirectory: unix.S_IFDIR, corev1.HostPathFile: unix.S_IFREG, corev1.HostPathSocket: unix.S_IFSOCK,
		corev1.HostPathCharDev: unix.S_IFCHR, corev1.HostPathBlockDev: unix.S_IFBLK,
	}[kind]
	if !ok {
		return fmt.Errorf("hostPath type %q is not known", kind)
	}
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("hostPath of type %s must be there already: %w", kind, err)
	}
	if st.Sys().(*syscall.Stat_t).Mode&unix.S_IFMT != want {
		return fmt.Errorf("hostPath %s is not of type %s: correct the path or the type", path, kind)
	}
	return nil
}
