package volume

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxDepth of the folders that a group is given to: each level holds two descriptors.
const maxDepth = 256

// groupBits are what fsGroup adds to a mode (pkg/volume/volume_linux.go): read and write for the group, and for folders search and setgid,
// so that what is made in them has the group too.
func groupBits(folder bool) uint32 {
	if folder {
		return 0o770 | unix.S_ISGID
	}
	return 0o660
}

// rootMatches says whether a volume's top folder already is what setGroup makes of it.
func rootMatches(st unix.Stat_t, gid int64) bool {
	want := groupBits(true)
	return int64(st.Gid) == gid && st.Mode&want == want
}

// setGroup gives all that a volume holds to a group. It goes by descriptors and follows no link and into no other mount, since a
// container may be writing there. The top folder is last: if it has the group, all has.
func setGroup(path string, gid int64) error {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := groupBelow(f, gid, 0); err != nil {
		return fmt.Errorf("give %s to group %d: %w", path, gid, err)
	}
	return groupOf(f, gid)
}

func groupBelow(dir *os.File, gid int64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("folders are nested deeper than %d", maxDepth)
	}
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if err := groupEntry(dir, name, gid, depth); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func groupEntry(dir *os.File, name string, gid int64, depth int) error {
	f, err := openAt(dir, name, unix.O_PATH|unix.O_NOFOLLOW, unix.RESOLVE_NO_XDEV)
	if errors.Is(err, unix.EXDEV) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := stat(f)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		sub, err := openAt(f, ".", unix.O_RDONLY|unix.O_DIRECTORY, unix.RESOLVE_NO_XDEV)
		if err != nil {
			return err
		}
		defer sub.Close()
		if err := groupBelow(sub, gid, depth+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return groupOf(f, gid)
}

// groupOf changes the group and mode of what f refers to. The owner stays.
func groupOf(f *os.File, gid int64) error {
	st, err := stat(f)
	if err != nil {
		return err
	}
	if err := unix.Fchownat(int(f.Fd()), "", -1, int(gid), unix.AT_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "chown", Path: f.Name(), Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	mode := st.Mode&0o7777 | groupBits(st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err := unix.Chmod(procPath(f), mode); err != nil { // fchmod refuses an O_PATH descriptor
		return &os.PathError{Op: "chmod", Path: f.Name(), Err: err}
	}
	return nil
}
