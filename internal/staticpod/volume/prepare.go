package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// Prepare makes all volumes of the pod and checks what they promise. It does what is missing only and may be called at any time. Its error
// joins those of all volumes; what a manifest folder lacks is in it as Missing, a path that does not answer until ctx ends as Hung.
func Prepare(ctx context.Context, in Input) error {
	if err := in.check(); err != nil {
		return err
	}
	var errs []error
	volumes := in.Facts.Pod.Spec.Volumes
	for i := range volumes {
		if v := &volumes[i]; v.HostPath != nil && (ctx.Err() == nil || len(errs) == 0) {
			errs = append(errs, about(v, hostPath(ctx, in.Calls, v.HostPath)))
		}
	}
	if ctx.Err() != nil && errors.Join(errs...) != nil {
		return errors.Join(errs...) // a path that hangs took all the time: nothing else is to blame
	}
	_, err := do(ctx, in.Calls, in.Dir, func() (struct{}, error) {
		var errs []error
		for i := range volumes {
			if err := ctx.Err(); err != nil { // nobody waits, and the pod may be on its way out
				errs = append(errs, about(&volumes[i], err))
				break
			}
			errs = append(errs, about(&volumes[i], in.prepare(&volumes[i])))
		}
		return struct{}{}, errors.Join(errs...)
	}, nil)
	return errors.Join(append(errs, err)...)
}

func (in Input) prepare(v *corev1.Volume) error {
	switch {
	case v.HostPath != nil:
		return nil
	case v.EmptyDir != nil:
		return in.emptyDir(v)
	case written(v):
		_, err := in.fill(v)
		return err
	}
	return errors.New("its kind is not served: use hostPath, emptyDir, configMap, secret, downwardAPI or projected")
}

// Refresh writes the files of configMap, secret, downwardAPI and projected volumes anew where they differ from what they should be, and
// names the volumes that changed. Volumes that Prepare has not made yet are left to it. A volume for which something is missing keeps what
// it has; the error says so (Missing).
func Refresh(ctx context.Context, in Input) (changed []string, err error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return do(ctx, in.Calls, in.Dir, func() ([]string, error) {
		var names []string
		var errs []error
		for i := range in.Facts.Pod.Spec.Volumes {
			v := &in.Facts.Pod.Spec.Volumes[i]
			if !written(v) {
				continue
			}
			if err := ctx.Err(); err != nil {
				errs = append(errs, about(v, err))
				break
			}
			if _, err := os.Lstat(in.path(v)); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			differs, err := in.fill(v)
			errs = append(errs, about(v, err))
			if differs {
				names = append(names, v.Name)
			}
		}
		return names, errors.Join(errs...)
	}, nil)
}

// fill writes a volume's files; on a tmpfs, as kubelet does, for all but configMaps: nothing of a secret reaches the disk.
func (in Input) fill(v *corev1.Volume) (changed bool, err error) {
	files, err := in.collect(v)
	if err != nil {
		return false, err
	}
	path := in.path(v)
	if _, err := makeFolder(path); err != nil {
		return false, err
	}
	if v.ConfigMap == nil {
		if _, err := in.tmpfs(path, memorySize(&in.Facts.Pod.Spec, nil, in.Facts.CapacityMemory), 0o755); err != nil {
			return false, err
		}
	}
	return write(path, files, in.fsGroup())
}

func about(v *corev1.Volume, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("volume %s: %w", v.Name, err)
}

func groupID(st fs.FileInfo) int64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int64(s.Gid)
	}
	return -1
}
