package volume

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// within is how every path inside a volume is walked: by the kernel, never out of where it starts, never through /proc's links.
const within = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS

// openAt opens path below the folder dir by openat2(2). Add to resolve what else must not happen on the way; RESOLVE_NO_XDEV answers
// EXDEV for a mount point, and so does RESOLVE_BENEATH for a link that leads out.
func openAt(dir *os.File, path string, flags int, resolve uint64) (*os.File, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: within | resolve}
	// EAGAIN: something was renamed or mounted while the kernel walked, and it can't say that the walk stayed inside. It asks to try again;
	// who keeps on renaming gets an error.
	for range 128 {
		fd, err := unix.Openat2(int(dir.Fd()), path, how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path), nil
		case errors.Is(err, unix.ENOSYS):
			return nil, fmt.Errorf("openat2: %w: volumes need Linux 5.6 or later, and a unit without RestrictSUIDSGID= (the run profile)", err)
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
		}
	}
	return nil, &os.PathError{Op: "openat2", Path: path, Err: unix.EAGAIN}
}

// openFolder opens a folder by its name, following links: for paths that no container can change.
func openFolder(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// procPath names what f refers to, whatever happened to its name since.
func procPath(f *os.File) string {
	return "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
}

func stat(f *os.File) (unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return st, nil
}
