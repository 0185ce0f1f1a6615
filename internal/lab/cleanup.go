package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// cleanupTime bounds a Cleanup. A killed process leaves in milliseconds; one in
// state D may never.
const cleanupTime = 20 * time.Second

// Cleanup removes every process, mount, network namespace, link, cgroup and file
// of the named lab, also after a kill -9 of everything that knew of it. A lab that
// is not there is no error; one that another process holds is, and is left as
// it is. It ends within 20 s and then says what remains.
//
// The folder is removed whole, whatever lies in it, if it carries a lab's record
// of that name; any other folder is left alone.
func Cleanup(name, dir string) error {
	p, err := newPlace(name, dir)
	if err != nil {
		return err
	}
	held, err := lock(p)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := remove(p); err != nil {
		return fmt.Errorf("clean up lab %s: %w", name, err)
	}
	return nil
}

// remove takes the lab down in the order in which things hold one another:
// processes, mounts, links, cgroups, and files last, because they tell what else there
// was. The caller holds the lock.
func remove(p place) error {
	deadline := time.Now().Add(cleanupTime)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		found, err := find(p)
		if err != nil {
			return err
		}
		err = found.removeOnce()
		if err == nil {
			return p.removeFolders()
		}
		if time.Now().After(deadline) {
			return err
		}
		// What a killed process held is free once the kernel is done with it, and
		// nothing tells when.
		time.Sleep(wait)
	}
}

var errStill = errors.New("killed, and still there")

// removeOnce removes what it can; an error means look again.
func (l leftovers) removeOnce() error {
	var errs []error
	if len(l.procs) > 0 {
		for _, folder := range l.cgroups {
			thaw(folder)
		}
		for _, p := range l.procs {
			if err := p.kill(); err != nil {
				errs = append(errs, err)
			} else {
				errs = append(errs, fmt.Errorf("%s: %w", p, errStill))
			}
		}
		return errors.Join(errs...)
	}
	for _, mount := range slices.Backward(l.mounts) {
		if err := unmount(mount); err != nil {
			errs = append(errs, err)
		}
	}
	for _, link := range l.links {
		if err := removeLink(link); err != nil {
			errs = append(errs, err)
		}
	}
	for _, folder := range l.cgroups {
		if err := removeCgroup(folder); err != nil {
			errs = append(errs, err)
		}
	}
	for _, file := range l.files {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unmount takes a mount away, lazily where it is in use by a process that is
// not the lab's.
func unmount(path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

// removeFolders removes the lab's own folders, its record last: a removal that
// was cut short is taken up again.
func (p place) removeFolders() error {
	mounts, err := mountsBelow(p)
	if err != nil {
		return err
	}
	if len(mounts) > 0 { // or what is mounted there would go with it
		return fmt.Errorf("%s is still a mount point", mounts[0])
	}
	ours, err := marked(p)
	if err != nil {
		return err
	}
	if ours {
		entries, err := os.ReadDir(p.dir)
		if err != nil {
			return fmt.Errorf("list the lab's folder: %w", err)
		}
		for _, e := range entries {
			if path := filepath.Join(p.dir, e.Name()); path != p.record() {
				if err := os.RemoveAll(path); err != nil {
					return fmt.Errorf("remove the lab's folder: %w", err)
				}
			}
		}
		if err := os.Remove(p.record()); err != nil {
			return fmt.Errorf("remove the lab's record: %w", err)
		}
		// A folder that is a mount point itself was mounted by the caller.
		if err := os.Remove(p.dir); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove the lab's folder: %w", err)
		}
	}
	return withBase(func() error { return leaveBase(p) })
}
