package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// emptyDir makes a folder that is 0777 whatever the umask, or a tmpfs, which is 1777 (pkg/volume/emptydir). Mode and group are given
// once: what a container makes of its folder later stays. A file beside the volumes, where kubelet has one too, says that it was done and
// for which group.
func (in Input) emptyDir(v *corev1.Volume) error {
	src, path := v.EmptyDir, in.path(v)
	mode := uint32(0o777)
	if src.Medium == corev1.StorageMediumMemory {
		mode |= unix.S_ISVTX
	}
	if src.Mode != nil {
		mode = uint32(*src.Mode) & 0o1777
	}
	done, state := filepath.Join(in.Dir, "plugins", "kubernetes.io~empty-dir", v.Name, "ready"), "ready\n"
	if gid := in.fsGroup(); gid != nil {
		state = fmt.Sprintf("ready fsGroup=%d\n", *gid)
	}
	before, err := os.ReadFile(done)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := len(before) == 0
	switch made, err := makeFolder(path); {
	case err != nil:
		return err
	case made:
		fresh = true
	}
	switch src.Medium {
	case corev1.StorageMediumDefault:
		is, err := mounted(path)
		if err != nil {
			return err
		}
		if is { // it was in memory before its manifest changed
			if err := detach(path); err != nil {
				return err
			}
			fresh = true
		}
		if fresh {
			if err := unix.Chmod(path, mode); err != nil {
				return &os.PathError{Op: "chmod", Path: path, Err: err}
			}
		}
	case corev1.StorageMediumMemory:
		again, err := in.tmpfs(path, memorySize(&in.Facts.Pod.Spec, src.SizeLimit, in.Facts.CapacityMemory), mode)
		if err != nil {
			return err
		}
		fresh = fresh || again
	default:
		return fmt.Errorf("medium %q is not served: use none, or Memory", src.Medium)
	}
	if !fresh && string(before) == state {
		return nil
	}
	if gid := in.fsGroup(); gid != nil {
		if err := in.own(path, *gid); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(done), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(done+".new", []byte(state), 0o600); err != nil {
		return err
	}
	return os.Rename(done+".new", done)
}

// own gives a volume to the pod's fsGroup, unless the pod asks to look at its top folder only and that has it already.
func (in Input) own(path string, gid int64) error {
	if p := in.Facts.Pod.Spec.SecurityContext.FSGroupChangePolicy; p != nil && *p == corev1.FSGroupChangeOnRootMismatch {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		if rootMatches(st, gid) {
			return nil
		}
	}
	return setGroup(path, gid)
}

// makeFolder makes a volume's own folder, and says whether it was not there.
func makeFolder(path string) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return false, err
	}
	err = os.Mkdir(path, 0o750)
	if errors.Is(err, fs.ErrExist) {
		st, err := os.Lstat(path)
		if err == nil && !st.IsDir() {
			err = fmt.Errorf("%s is not a folder: remove it", path)
		}
		return false, err
	}
	return err == nil, err
}
