package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// onlineCPUs of the machine as far as this process may use them.
func onlineCPUs() int { return runtime.NumCPU() }

// Ensure makes a pod's cgroup and sets its limits; it may be called again, also to change them. A limit of 0 is taken away. With the systemd
// driver the slice is made by systemd, with the deadline of ctx and 10 s at most.
//
// The levels above (kubepods, burstable, besteffort) are made where they are absent, with what kubelet gives them: kubepods the shares of all the
// machine's CPUs, besteffort the least. Those that are there keep their limits. It fails where a limit can't be set: a pod must not run without
// the limits that it was promised.
func (t *Tree) Ensure(ctx context.Context, parent string, systemd bool, l Limits) error {
	rel, err := ofPod(parent, systemd)
	if err != nil {
		return fmt.Errorf("make pod cgroup: %w", err)
	}
	l.CPUShares = min(max(l.CPUShares, minShares), maxShares)
	switch {
	case systemd:
		err = t.ensureSlice(ctx, parent, l)
	case t.version == V2:
		err = t.ensureV2(ctx, rel, l)
	default:
		err = t.ensureV1(ctx, rel, l)
	}
	if err != nil {
		return fmt.Errorf("make pod cgroup %s: %w", parent, err)
	}
	return nil
}

// defaultShares of a level above pods that we make; 0 leaves the kernel's.
func (t *Tree) defaultShares(level string) uint64 {
	switch level {
	case "kubepods":
		return shares(int64(t.cpus) * 1000)
	case "besteffort":
		return minShares
	}
	return 0
}

// steps are the cgroups from the top to rel: a, a/b, a/b/c.
func steps(rel string) []string {
	var out []string
	at := ""
	for part := range strings.SplitSeq(rel, "/") {
		at = path.Join(at, part)
		out = append(out, at)
	}
	return out
}

// make reports whether it made the folder.
func (t *Tree) make(dir string) (bool, error) {
	err := t.mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func (t *Tree) ensureV1(ctx context.Context, rel string, l Limits) error {
	if err := t.controllersThere(l); err != nil {
		return err
	}
	for _, h := range t.hierarchies {
		if h.unified || slices.Contains(h.controllers, "systemd") {
			continue // no limits there; the runtime makes what it wants and Remove takes it away
		}
		for _, at := range steps(rel) {
			if err := ctx.Err(); err != nil {
				return err
			}
			dir := filepath.Join(h.dir, at)
			made, err := t.make(dir)
			if err != nil {
				return err
			}
			if slices.Contains(h.controllers, "cpuset") {
				if err := inheritCpuset(dir); err != nil {
					return err
				}
			}
			if s := t.defaultShares(path.Base(at)); made && s > 0 && at != rel && slices.Contains(h.controllers, "cpu") {
				if err := write(dir, "cpu.shares", strconv.FormatUint(s, 10)); err != nil {
					return err
				}
			}
		}
		dir := filepath.Join(h.dir, rel)
		if slices.Contains(h.controllers, "cpu") {
			if err := write(dir, "cpu.shares", strconv.FormatUint(l.CPUShares, 10)); err != nil {
				return err
			}
			if err := quotaV1(dir, l.CPUQuota); err != nil {
				return err
			}
		}
		if slices.Contains(h.controllers, "memory") {
			if err := write(dir, "memory.limit_in_bytes", limitOr(l.Memory, "-1")); err != nil {
				return memoryInUse(dir, "memory.usage_in_bytes", err)
			}
		}
	}
	return nil
}

// quotaV1 sets the period first: the kernel judges a quota by the period in force. A kernel without CFS bandwidth control has neither file.
func quotaV1(dir string, quota int64) error {
	if quota == 0 && !exists(filepath.Join(dir, "cpu.cfs_quota_us")) {
		return nil
	}
	if err := write(dir, "cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
		return err
	}
	return write(dir, "cpu.cfs_quota_us", limitOr(quota, "-1"))
}

// inheritCpuset gives a new cpuset of v1 what its parent has: it begins empty, and no process can enter an empty one.
func inheritCpuset(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if strings.TrimSpace(string(own)) != "" {
			continue
		}
		above, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := write(dir, name, strings.TrimSpace(string(above))); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) ensureV2(ctx context.Context, rel string, l Limits) error {
	if err := t.controllersThere(l); err != nil {
		return err
	}
	top := t.hierarchies[0].dir
	above := top
	for _, at := range steps(rel) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := enable(above); err != nil {
			return err
		}
		dir := filepath.Join(top, at)
		made, err := t.make(dir)
		if err != nil {
			return err
		}
		if s := t.defaultShares(path.Base(at)); made && s > 0 && at != rel {
			if err := write(dir, "cpu.weight", strconv.FormatUint(weight(s), 10)); err != nil {
				return err
			}
		}
		above = dir
	}
	if err := write(above, "cpu.weight", strconv.FormatUint(weight(l.CPUShares), 10)); err != nil {
		return err
	}
	if l.CPUQuota > 0 || exists(filepath.Join(above, "cpu.max")) {
		if err := write(above, "cpu.max", limitOr(l.CPUQuota, "max")+" "+strconv.Itoa(period)); err != nil {
			return err
		}
	}
	if l.Memory > 0 || exists(filepath.Join(above, "memory.max")) {
		if err := write(above, "memory.max", limitOr(l.Memory, "max")); err != nil {
			return memoryInUse(above, "memory.current", err)
		}
	}
	return nil
}

// needed are the controllers that limits and samples stand on; what else a container needs its runtime enables.
var needed = []string{"cpu", "memory", "pids"}

// enable offers the needed controllers to a v2 cgroup's children. It only ever adds.
func enable(dir string) error {
	has, err := lines(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read the controllers of %s: %w", dir, err)
	}
	on, err := lines(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return fmt.Errorf("read the controllers below %s: %w", dir, err)
	}
	for _, c := range needed {
		if slices.Contains(on, c) || !slices.Contains(has, c) {
			continue
		}
		err := appendTo(filepath.Join(dir, "cgroup.subtree_control"), "+"+c)
		if errors.Is(err, syscall.EBUSY) {
			if pids, _ := pidsIn(dir); len(pids) > 0 {
				return fmt.Errorf("enable %s below %s: processes live in it (%s), and v2 lets a cgroup have either processes or limited children: move them",
					c, dir, named(pids))
			}
		}
		if err != nil {
			return fmt.Errorf("enable %s below %s: %w", c, dir, err)
		}
	}
	return nil
}

// appendTo writes to a control file that takes commands.
func appendTo(path, command string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(command)
	return errors.Join(err, f.Close())
}

// controllersThere refuses limits that the machine can't hold; a memory controller that the boot loader turned off is common on small boards.
func (t *Tree) controllersThere(l Limits) error {
	there := func(c string) bool { return t.mount(c) != "" }
	if t.version == V2 {
		has, err := lines(filepath.Join(t.hierarchies[0].dir, "cgroup.controllers"))
		if err != nil {
			return fmt.Errorf("read the machine's controllers: %w", err)
		}
		there = func(c string) bool { return slices.Contains(has, c) }
	}
	if !there("cpu") {
		return errors.New("the kernel offers no cpu controller: see /proc/cgroups")
	}
	if l.Memory > 0 && !there("memory") {
		return errors.New("the pod has a memory limit and the kernel offers no memory controller: boot with cgroup_enable=memory cgroup_memory=1, or drop the limit")
	}
	return nil
}

// memoryInUse says what stands in the way of a limit below what is used.
func memoryInUse(dir, file string, err error) error {
	if b, e := os.ReadFile(filepath.Join(dir, file)); e == nil && errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%w: %s bytes are in use", err, strings.TrimSpace(string(b)))
	}
	return err
}

// limitOr writes a limit, and none in the kernel's own word.
func limitOr(n int64, none string) string {
	if n <= 0 {
		return none
	}
	return strconv.FormatInt(n, 10)
}
