package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/moby/sys/mountinfo"
)

var errNotOurs = errors.New("not the folder that was recorded")

// belongs reports why a record's folder is not what the agent makes: <root>/<namespace>_<pod>_<uid>.
func (c *Collector) belongs(r Removed) error {
	_, _, uid, ok := splitFolder(filepath.Base(r.Dir))
	if !ok || r.UID == "" || uid != r.UID || filepath.Join(c.d.Root, filepath.Base(r.Dir)) != r.Dir {
		return fmt.Errorf("%s, uid %q: %w: want <namespace>_<pod>_<uid> in %s", r.Dir, r.UID, errNotOurs, c.d.Root)
	}
	return nil
}

// enter opens the root, below which no symbolic link leads out, and checks that the folder is a real one.
func (c *Collector) enter(r Removed) (root *os.Root, err error) {
	if err := c.belongs(r); err != nil {
		return nil, err
	}
	root, err = os.OpenRoot(c.d.Root)
	if err != nil {
		// Not wrapped: that the whole root is gone, a file system that is not mounted, does not say that the folder is.
		return nil, fmt.Errorf("open the folder of all pods' logs: %v", err) //nolint:errorlint // see above
	}
	st, err := root.Lstat(filepath.Base(r.Dir))
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s (%s): %w", r.Dir, st.Mode().Type(), errNotOurs)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// size is what a record's folder takes on disk.
func (c *Collector) size(ctx context.Context, r Removed) (bytes int64, err error) {
	root, err := c.enter(r)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), filepath.Base(r.Dir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			bytes += sys.Blocks * 512 // st_blocks counts so, whatever the file system (stat(2))
		}
		return nil
	})
	return bytes, err
}

// removeDir removes a record's folder. c.mu is held.
func (c *Collector) removeDir(r Removed) error {
	root, err := c.enter(r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	// Somebody may have mounted something there: removing would empty it.
	dir, err := filepath.EvalSymlinks(r.Dir)
	if err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("look for mounts below %s: %w", r.Dir, err)
	}
	if len(mounts) > 0 {
		return fmt.Errorf("%s is a mount point: unmount it", mounts[0].Mountpoint)
	}
	return root.RemoveAll(filepath.Base(r.Dir))
}
