package podlogs

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// tidyUp runs after each rotation, and at the start for what a crash left.
func (r *Rotator) tidyUp(ctx context.Context) (time.Time, error) {
	for _, l := range r.d.Logs() {
		r.tidyOne(ctx, l.Path)
	}
	return time.Now().Add(tidyEvery), nil
}

// lowPriority of this thread for CPU and disk. Refused, it compresses all the same.
func lowPriority() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
	const whoProcess, idle = 1, 3 << 13 // IOPRIO_WHO_PROCESS, IOPRIO_CLASS_IDLE (linux/ioprio.h)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, idle)
}

// tidyOne brings one log's rotated files into order: no unfinished ones, no more than are to be kept, all but the newest compressed.
func (r *Rotator) tidyOne(ctx context.Context, path string) {
	dir := filepath.Dir(path)
	files, err := siblings(path)
	if err != nil {
		return // the look says it
	}
	for _, f := range files {
		if f.tmp {
			_ = os.Remove(filepath.Join(dir, f.name))
		}
	}
	prune(path, r.d.Config().filled().MaxFiles)
	for _, f := range compressible(files) {
		name := filepath.Join(dir, f.name)
		if ctx.Err() != nil {
			return
		}
		if time.Now().Before(r.later[name]) {
			continue
		}
		delete(r.later, name)
		err := compress(ctx, name)
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, fs.ErrNotExist): // pruned meanwhile
		case errors.Is(err, errInUse):
		default:
			r.later[name] = time.Now().Add(time.Hour)
			r.d.Log.Warn("a rotated log can't be compressed and stays as it is for an hour", zap.String("path", name), zap.Error(err))
		}
	}
	for name, until := range r.later {
		if time.Now().After(until) {
			delete(r.later, name)
		}
	}
}

// compressible are the plain rotated files but for the newest: a reader that follows, a log shipper too, is given one rotation's time to end it.
func compressible(files []file) []file {
	out := slices.DeleteFunc(slices.Clone(files), func(f file) bool { return f.stamp == "" || f.tmp })
	if len(out) == 0 {
		return nil
	}
	newest := out[len(out)-1].stamp
	return slices.DeleteFunc(out, func(f file) bool { return f.gz || f.stamp == newest })
}

var errInUse = errors.New("somebody still writes to it")

// compress puts a compressed file, with the times, mode and owner of the plain one, in its place. At every moment one of both is there whole; where
// both are, the plain one counts.
func compress(ctx context.Context, path string) (err error) {
	in, st, err := open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	if free, _ := released(in); !free {
		return errInUse
	}
	gz, tmp := path+gzSuffix, path+tmpSuffix
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(tmp)
		}
	}()
	z := gzip.NewWriter(out)
	if _, err = io.Copy(z, &reader{ctx: ctx, r: in}); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err = z.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err = copyMeta(out, st); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	// On disk before the plain one goes: a power cut must not leave an empty file alone.
	if err = out.Sync(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err = out.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err = os.Rename(tmp, gz); err != nil {
		return err
	}
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return os.Remove(gz) // pruned meanwhile
	} else if err != nil {
		return err
	}
	return nil
}

func copyMeta(out *os.File, st fs.FileInfo) error {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		if err := out.Chown(int(sys.Uid), int(sys.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	if err := out.Chmod(st.Mode().Perm()); err != nil {
		return err
	}
	// To the nanosecond: a reader that has the plain one open knows its copy by it (follower.after).
	return os.Chtimes(out.Name(), st.ModTime(), st.ModTime())
}
