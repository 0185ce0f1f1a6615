package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Mounts are the mounts of one container, made ready: parents before what is mounted in them, else in the manifest's order. It is called
// after Prepare, for one attempt of a container at a time. A subPath is opened safely and bind-mounted below the pod's folder; it may take
// until ctx ends (Hung).
func Mounts(ctx context.Context, in Input, c *corev1.Container) ([]*cri.Mount, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := plainName("container", c.Name); err != nil {
		return nil, err
	}
	relabel := selinux()
	var mounts []*cri.Mount
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		out, err := in.mount(ctx, c, i)
		if err != nil {
			return nil, fmt.Errorf("mount of volume %s at %s in container %s: %w", m.Name, m.MountPath, c.Name, err)
		}
		out.SelinuxRelabel = out.SelinuxRelabel && relabel
		mounts = append(mounts, out)
	}
	slices.SortStableFunc(mounts, func(a, b *cri.Mount) int { return cmp.Compare(depth(a.ContainerPath), depth(b.ContainerPath)) })
	return mounts, nil
}

func depth(p string) int {
	if p = path.Clean(p); p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}

func (in Input) mount(ctx context.Context, c *corev1.Container, index int) (*cri.Mount, error) {
	m := &c.VolumeMounts[index]
	volumes := in.Facts.Pod.Spec.Volumes
	n := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
	if n < 0 {
		return nil, errors.New("the volume is not declared: add it to spec.volumes")
	}
	v := &volumes[n]
	switch {
	case in.path(v) == "":
		return nil, errors.New("the volume's kind is not served")
	case m.SubPathExpr != "":
		return nil, errors.New("subPathExpr is not served: use subPath")
	case m.RecursiveReadOnly != nil && *m.RecursiveReadOnly == corev1.RecursiveReadOnlyEnabled:
		return nil, errors.New("recursiveReadOnly Enabled is not served: mount what lies below as volumes of their own, with readOnly")
	case len(m.BindMountOptions) > 0:
		return nil, errors.New("bindMountOptions are not served: remove them")
	}
	to := m.MountPath
	if !strings.HasPrefix(to, "/") {
		to = "/" + to
	}
	out := &cri.Mount{ContainerPath: to, HostPath: in.path(v), Readonly: m.ReadOnly || written(v), SelinuxRelabel: v.HostPath == nil}
	if m.MountPropagation != nil {
		switch *m.MountPropagation {
		case corev1.MountPropagationNone:
		case corev1.MountPropagationHostToContainer:
			out.Propagation = cri.MountPropagation_PROPAGATION_HOST_TO_CONTAINER
		case corev1.MountPropagationBidirectional:
			out.Propagation = cri.MountPropagation_PROPAGATION_BIDIRECTIONAL
		default:
			return nil, fmt.Errorf("mountPropagation %q is not known: use None, HostToContainer or Bidirectional", *m.MountPropagation)
		}
	}
	if m.SubPath == "" {
		return out, nil
	}
	// The call may outlive this one: it has everything by value.
	source, target := out.HostPath, filepath.Join(in.Dir, "volume-subpaths", v.Name, c.Name, strconv.Itoa(index))
	shared := out.Propagation == cri.MountPropagation_PROPAGATION_BIDIRECTIONAL
	create, sub := !written(v) || optional(v), m.SubPath
	_, err := do(ctx, in.Calls, source, func() (struct{}, error) {
		f, err := openSubPath(source, sub, create)
		if err != nil {
			if !create && errors.Is(err, os.ErrNotExist) {
				err = fmt.Errorf("the volume has no file %q: correct subPath, or add the key to what the volume is made of", sub)
			}
			return struct{}{}, err
		}
		defer f.Close()
		if err := ctx.Err(); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, in.bind(f, target, shared)
	}, nil)
	out.HostPath = target
	return out, err
}

// optional says whether something of a written volume may be missing. A subPath of it is then a new folder, as under kubelet: the
// manifest says that the container starts without.
func optional(v *corev1.Volume) bool {
	yes := func(b *bool) bool { return b != nil && *b }
	switch {
	case v.ConfigMap != nil:
		return yes(v.ConfigMap.Optional)
	case v.Secret != nil:
		return yes(v.Secret.Optional)
	case v.Projected != nil:
		return slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool {
			return s.ConfigMap != nil && yes(s.ConfigMap.Optional) || s.Secret != nil && yes(s.Secret.Optional)
		})
	}
	return false
}

// selinux says whether the kernel labels files; then the runtime gives our volumes the pod's label, else containers can't read them.
func selinux() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}
