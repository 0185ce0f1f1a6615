package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// BusyError tells that processes live in a cgroup that is to be removed.
type BusyError struct {
	Parent string
	PIDs   []int
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("cgroup %s still has processes: %s; they belong to no container that the runtime knows: look at them and end them", e.Parent, named(e.PIDs))
}

// settle is how long an empty cgroup may refuse to go: the kernel lets go of the last process a moment after its exit.
const settle = 2 * time.Second

// Remove removes a pod's own cgroup with the empty ones below it, in every hierarchy. What is gone already is no error. Where a process lives
// in any of them nothing at all is removed and the error is a *BusyError. The levels above stay, also when empty: another pod may be on its
// way into them, they cost nothing, and a boot clears them.
//
// A systemd slice is stopped when it has no process, and only then, since stopping would end what is in it. It takes as long as ctx allows, and
// 2 s at most for cgroups that are empty and refuse to go.
func (t *Tree) Remove(ctx context.Context, parent string, systemd bool) error {
	if _, err := ofPod(parent, systemd); err != nil {
		return fmt.Errorf("remove pod cgroup: %w", err)
	}
	var found []string // parents before children
	var pids []int
	for _, dir := range t.Dirs(parent, systemd) {
		if err := collect(dir, &found, &pids); err != nil {
			return fmt.Errorf("remove pod cgroup %s: %w", parent, err)
		}
	}
	if len(pids) > 0 {
		slices.Sort(pids)
		return fmt.Errorf("remove pod cgroup: %w", &BusyError{Parent: parent, PIDs: slices.Compact(pids)})
	}
	if systemd && len(found) > 0 {
		if err := t.stopSlice(ctx, parent); err != nil {
			return fmt.Errorf("remove pod cgroup %s: %w", parent, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for _, dir := range slices.Backward(found) {
		if err := rmdir(ctx, dir); err != nil {
			return fmt.Errorf("remove pod cgroup %s: %w", parent, err)
		}
	}
	return nil
}

// collect adds dir and the cgroups below it, and the processes in them. A child's folder is entered only as a folder: nothing follows links.
func collect(dir string, found *[]string, pids *[]int) error {
	entries, err := os.ReadDir(dir)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	own, err := pidsIn(dir)
	if err != nil && !gone(err) {
		return fmt.Errorf("read the processes of %s: %w", dir, err)
	}
	*found, *pids = append(*found, dir), append(*pids, own...)
	for _, e := range entries {
		if e.IsDir() {
			if err := collect(filepath.Join(dir, e.Name()), found, pids); err != nil {
				return err
			}
		}
	}
	return nil
}

// rmdir waits for the kernel where the cgroup is busy with the end of its last process.
func rmdir(ctx context.Context, dir string) error {
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		err := syscall.Rmdir(dir)
		if err == nil || gone(err) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) {
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		select {
		case <-ctx.Done():
			if pids, _ := pidsIn(dir); len(pids) > 0 {
				return &BusyError{Parent: dir, PIDs: pids}
			}
			return fmt.Errorf("%s is empty and the kernel still holds it: %w", dir, errors.Join(err, ctx.Err()))
		case <-time.After(wait):
		}
	}
}
