package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// pickSnapshotter gives overlayfs where an overlay can be mounted over a folder
// in scratch, and native where it can't: on another overlay, for one.
func pickSnapshotter(scratch string) (string, error) {
	dir, err := os.MkdirTemp(scratch, "overlay")
	if err != nil {
		return "", fmt.Errorf("try an overlay: %w", err)
	}
	defer os.RemoveAll(dir)
	parts := map[string]string{}
	for _, part := range []string{"lower", "upper", "work", "merged"} {
		parts[part] = filepath.Join(dir, part)
		if err := os.Mkdir(parts[part], 0o755); err != nil {
			return "", fmt.Errorf("try an overlay: %w", err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", parts["lower"], parts["upper"], parts["work"])
	if err := unix.Mount("overlay", parts["merged"], "overlay", 0, options); err != nil {
		return "native", nil
	}
	if err := unix.Unmount(parts["merged"], 0); err != nil {
		return "", fmt.Errorf("unmount the overlay tried: %w", err)
	}
	return "overlayfs", nil
}
