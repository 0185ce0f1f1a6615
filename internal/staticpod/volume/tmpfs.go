package volume

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// mounted says whether path is a mount point, by asking the kernel about this one path: reading mountinfo would cost each start the
// mounts of all other pods.
func mounted(path string) (bool, error) {
	parent, err := openFolder(filepath.Dir(path))
	if err != nil {
		return false, err
	}
	defer parent.Close()
	f, err := openAt(parent, filepath.Base(path), unix.O_PATH|unix.O_NOFOLLOW, unix.RESOLVE_NO_XDEV)
	if errors.Is(err, unix.EXDEV) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, f.Close()
}

// tmpfs makes path a tmpfs of at most size bytes (0: the kernel's default, half of the memory) and says whether it is a new, empty one.
// One that is there keeps its content and gets the size. Like kubelet's it is never swapped out where the kernel can promise that
// (6.4 and later), and has no mount flags, which a container's own mount would inherit.
func (in Input) tmpfs(path string, size int64, mode uint32) (fresh bool, err error) {
	is, err := mounted(path)
	if err != nil {
		return false, err
	}
	options, flags := fmt.Sprintf("mode=%04o", mode), uintptr(0)
	if size > 0 {
		options += fmt.Sprintf(",size=%d", size)
	}
	if is {
		var fs unix.Statfs_t
		if err := unix.Statfs(path, &fs); err != nil {
			return false, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
		if fs.Type != unix.TMPFS_MAGIC {
			return false, fmt.Errorf("something else is mounted on %s: unmount it", path)
		}
		if size == 0 || int64(fs.Blocks) == (size+int64(fs.Bsize)-1)/int64(fs.Bsize) {
			return false, nil
		}
		// A container may have changed the folder's mode; only the size is ours to change.
		options, flags = fmt.Sprintf("size=%d", size), unix.MS_REMOUNT
	} else if err := in.Made(path); err != nil {
		return false, fmt.Errorf("remember the mount of %s: %w", path, err)
	}
	err = unix.Mount("tmpfs", path, "tmpfs", flags, options+",noswap")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("tmpfs", path, "tmpfs", flags, options)
	}
	if err != nil {
		return false, fmt.Errorf("mount tmpfs (%s) on %s: %w", options, path, err)
	}
	return !is, nil
}

// memorySize is how many bytes a tmpfs of the pod may hold, as kubelet has it (pkg/volume/emptydir): the least of the node's memory, the
// pod's memory limit where every container has one, and the volume's own, which may be nil. 0 is not known.
func memorySize(pod *corev1.PodSpec, limit *resource.Quantity, node int64) int64 {
	size := int64(math.MaxInt64)
	own := int64(0)
	if limit != nil {
		own = limit.Value()
	}
	for _, n := range []int64{node, podMemory(pod), own} {
		if n > 0 {
			size = min(size, n)
		}
	}
	if size == math.MaxInt64 {
		return 0
	}
	return size
}

// podMemory is the most that the pod may use by the limits of its containers: all that run together, or an init container with the
// sidecars before it, whichever is more. 0 if one has no limit.
func podMemory(pod *corev1.PodSpec) int64 {
	var together, sidecars, most int64
	for _, c := range pod.InitContainers {
		n := c.Resources.Limits.Memory().Value()
		if n <= 0 {
			return 0
		}
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars += n
			most = max(most, sidecars)
		} else {
			most = max(most, sidecars+n)
		}
	}
	for _, c := range pod.Containers {
		n := c.Resources.Limits.Memory().Value()
		if n <= 0 {
			return 0
		}
		together += n
	}
	return max(most, together+sidecars)
}
