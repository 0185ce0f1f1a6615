package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// record marks a folder as a lab's: Cleanup removes no folder without it.
type record struct {
	Name   string       `json:"name"`
	Subnet netip.Prefix `json:"subnet"`
}

func writeRecord(p place, r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(p.record(), b, 0o600)
}

// marked reports whether the folder is the named lab's.
func marked(p place) (bool, error) {
	b, err := os.ReadFile(p.record())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the lab's record: %w", err)
	}
	var r record
	// A record cut short by a crash is still a record: it is written first,
	// into an empty folder.
	if len(b) == 0 {
		return true, nil
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return false, fmt.Errorf("%s: %w", p.record(), err)
	}
	return r.Name == p.name, nil
}

// shared are folders outside of a lab that containerd's parts make where they
// are missing, and whose paths cannot be configured: shim sockets
// (containerd's pkg/shim) and libcni's result cache. Parents come first.
var shared = []string{"/run/containerd", "/run/containerd/s", "/var/lib/cni", "/var/lib/cni/results"}

// madeFile lists which shared folders were missing before the first lab came,
// so that the last one removes them. It lies in /run: a reboot forgets it.
var madeFile = filepath.Join(runBase, ".made")

// lock takes the lab for this process: a flock on its run folder, which the
// kernel drops with the process however it ends. The folder is made if needed.
func lock(p place) (*os.File, error) {
	for {
		if err := os.MkdirAll(p.run(), 0o711); err != nil {
			return nil, fmt.Errorf("make the run folder: %w", err)
		}
		f, err := flock(p.run(), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // another Cleanup removed it in between
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("lab %s is in use by another process: end it first", p.name)
		}
		return f, err
	}
}

// flock locks a folder and makes sure that it is still the one at that path.
func flock(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	mine, err1 := f.Stat()
	there, err2 := os.Stat(path)
	if err1 != nil || err2 != nil || !os.SameFile(mine, there) {
		f.Close()
		return nil, fs.ErrNotExist
	}
	return f, nil
}

// withBase runs fn while no other lab joins or leaves.
func withBase(fn func() error) error {
	for {
		if err := os.MkdirAll(runBase, 0o711); err != nil {
			return fmt.Errorf("make %s: %w", runBase, err)
		}
		f, err := flock(runBase, unix.LOCK_EX)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer f.Close()
		return fn()
	}
}

// noteShared writes down which shared folders are missing, once for all labs.
// It runs inside of withBase.
func noteShared() error {
	if _, err := os.Stat(madeFile); err == nil {
		return nil
	}
	var missing []string
	for _, dir := range shared {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, dir)
		}
	}
	return os.WriteFile(madeFile, []byte(strings.Join(missing, "\n")), 0o600)
}

// leaveBase removes the run folder and, after the last lab, what was made for
// all of them: shared folders only where they are empty. It runs inside of
// withBase.
func leaveBase(p place) error {
	if err := os.RemoveAll(p.run()); err != nil {
		return fmt.Errorf("remove the run folder: %w", err)
	}
	others, err := os.ReadDir(runBase)
	if err != nil {
		return fmt.Errorf("list labs: %w", err)
	}
	if slices.ContainsFunc(others, func(e fs.DirEntry) bool { return e.IsDir() }) {
		return nil
	}
	made, err := os.ReadFile(madeFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", madeFile, err)
	}
	for _, dir := range slices.Backward(strings.Fields(string(made))) {
		if !slices.Contains(shared, dir) {
			continue
		}
		// rmdir refuses a folder that somebody uses by now.
		err := unix.Rmdir(dir)
		if err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	if err := os.RemoveAll(madeFile); err != nil {
		return fmt.Errorf("remove %s: %w", madeFile, err)
	}
	if err := unix.Rmdir(runBase); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("remove %s: %w", runBase, err)
	}
	return nil
}
