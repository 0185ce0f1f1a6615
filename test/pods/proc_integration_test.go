//go:build integration

package pods

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func (c proc) t() *testing.T { return c.p.t }

// file reads a file of /proc/PID.
func (c proc) file(name string) string {
	c.t().Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.pid), name))
	if err != nil {
		c.t().Fatal(err)
	}
	return string(b)
}

// env is the environment the process started with.
func (c proc) env() map[string]string {
	c.t().Helper()
	out := map[string]string{}
	for v := range strings.SplitSeq(c.file("environ"), "\x00") {
		if name, value, ok := strings.Cut(v, "="); ok {
			out[name] = value
		}
	}
	return out
}

// state is a line of /proc/PID/status, its fields joined by single spaces.
func (c proc) state(key string) string {
	c.t().Helper()
	for line := range strings.Lines(c.file("status")) {
		if name, value, ok := strings.Cut(line, ":"); ok && name == key {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	c.t().Fatalf("no %s in the status of process %d", key, c.pid)
	return ""
}

// capable reports whether the process has a capability (linux/capability.h) in force.
func (c proc) capable(number int) bool {
	c.t().Helper()
	set, err := strconv.ParseUint(c.state("CapEff"), 16, 64)
	if err != nil {
		c.t().Fatal(err)
	}
	return set>>number&1 == 1
}

// confined reports whether the process has more seccomp filters than the machine's process 1: in a box all have the box's.
func (c proc) confined() bool {
	c.t().Helper()
	own, err := strconv.Atoi(c.state("Seccomp_filters"))
	if err != nil {
		c.t().Fatal(err)
	}
	of1, err := strconv.Atoi(proc{p: c.p, pid: 1}.state("Seccomp_filters"))
	if err != nil {
		c.t().Fatal(err)
	}
	return own > of1
}

// groups are the process's supplementary groups.
func (c proc) groups() []string { c.t().Helper(); return strings.Fields(c.state("Groups")) }

// ns is a namespace's identity.
func (c proc) ns(kind string) string {
	c.t().Helper()
	return link(c.t(), fmt.Sprintf("/proc/%d/ns/%s", c.pid, kind))
}

func link(t *testing.T, path string) string {
	t.Helper()
	s, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// root is a path of the container as the node reaches it. Links in it lead where they lead on the node: see read.
func (c proc) root(name string) string {
	return filepath.Join("/proc", strconv.Itoa(c.pid), "root", name)
}

// wrote waits for the file that a step of its program leaves: a container runs before its program has done anything.
func (c proc) wrote(name string) {
	c.t().Helper()
	eventually(c.t(), c.p.name+": "+name+" is written", waitFor(func() error {
		_, err := os.Lstat(c.root(name))
		return err
	}))
}

// read gives what the container reads at a path.
func (c proc) read(name string) string {
	c.t().Helper()
	out, code := c.exec("cat " + name)
	if code != 0 {
		c.t().Fatalf("read %s in container %s: %s", name, c.status.Metadata.Name, out)
	}
	return out
}

// exec plays steps inside of the container and gives what they wrote and their status.
func (c proc) exec(steps ...string) (string, int32) {
	c.t().Helper()
	answer, err := c.p.n.runtime.ExecSync(c.t().Context(), &cri.ExecSyncRequest{ContainerId: c.id, Cmd: append([]string{"/nodeagent", "workload", "do"}, steps...), Timeout: 20})
	if err != nil {
		c.t().Fatalf("exec %q: %v", steps, err)
	}
	return string(answer.Stdout) + string(answer.Stderr), answer.ExitCode
}

// mode is the permission of a file, without following a link at its end.
func (c proc) mode(name string) os.FileMode {
	c.t().Helper()
	return c.stat(name).Mode().Perm()
}

func (c proc) stat(name string) os.FileInfo {
	c.t().Helper()
	info, err := os.Lstat(c.root(name))
	if err != nil {
		c.t().Fatal(err)
	}
	return info
}

// group is the group of a file.
func (c proc) group(name string) uint32 {
	c.t().Helper()
	return c.stat(name).Sys().(*syscall.Stat_t).Gid
}

// mount is what is mounted exactly at a path of the container; nil for nothing.
func (c proc) mount(at string) *mountinfo.Info {
	c.t().Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", c.pid))
	if err != nil {
		c.t().Fatal(err)
	}
	defer f.Close()
	list, err := mountinfo.GetMountsFromReader(f, func(m *mountinfo.Info) (bool, bool) { return m.Mountpoint != at, false })
	if err != nil {
		c.t().Fatal(err)
	}
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// cgroup is the folder of the process's cgroup for a controller, on cgroup v1 and v2, and whether it is v2.
func (c proc) cgroup(controller string) (folder string, unified bool) {
	c.t().Helper()
	for line := range strings.Lines(c.file("cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if slices.Contains(strings.Split(parts[1], ","), controller) {
			return path.Join("/sys/fs/cgroup", controller, parts[2]), false
		}
		if parts[0] == "0" {
			folder = path.Join("/sys/fs/cgroup", parts[2])
		}
	}
	return folder, true
}

// limits are what the kernel holds a cgroup to, in the terms of the manifest; -1 for none.
type limits struct {
	memory int64 // bytes
	cpu    int64 // thousandths of a core
	shares uint64
}

// held reads the limits of the container's cgroup, or of its parent, the pod's.
func (c proc) held(ofPod bool) limits {
	c.t().Helper()
	memory, unified := c.cgroup("memory")
	cpu, _ := c.cgroup("cpu")
	if ofPod {
		memory, cpu = path.Dir(memory), path.Dir(cpu)
	}
	number := func(file string) int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(c.content(file)), 10, 64)
		if err != nil {
			return -1 // max
		}
		return n
	}
	if unified {
		out := limits{memory: number(memory + "/memory.max"), cpu: -1}
		if f := strings.Fields(c.content(cpu + "/cpu.max")); f[0] != "max" {
			quota, _ := strconv.ParseInt(f[0], 10, 64)
			period, _ := strconv.ParseInt(f[1], 10, 64)
			out.cpu = quota * 1000 / period
		}
		out.shares = uint64(number(cpu + "/cpu.weight"))
		return out
	}
	out := limits{memory: number(memory + "/memory.limit_in_bytes"), cpu: -1, shares: uint64(number(cpu + "/cpu.shares"))}
	if out.memory > 1<<60 {
		out.memory = -1
	}
	if quota := number(cpu + "/cpu.cfs_quota_us"); quota > 0 {
		out.cpu = quota * 1000 / number(cpu+"/cpu.cfs_period_us")
	}
	return out
}

func (c proc) content(file string) string {
	c.t().Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		c.t().Fatal(err)
	}
	return string(b)
}

// said is one line of what a container said.
type said struct {
	at   time.Time
	text string
}

// said gives the lines of a file of the pod's ctl folder, none if it is not there.
func (p *pod) said(file string) (out []said) {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.ctl, file))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		at, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			p.t.Fatalf("line %q of %s", line, file)
		}
		out = append(out, said{at: time.Unix(0, n), text: text})
	}
	return out
}

// texts are the texts of lines alone.
func texts(lines []said) (out []string) {
	for _, l := range lines {
		out = append(out, l.text)
	}
	return out
}

// set makes a file of the pod's ctl folder, and unset takes it away.
func (p *pod) set(file string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.ctl, file), nil, 0o666); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) unset(file string) {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.ctl, file)); err != nil {
		p.t.Fatal(err)
	}
}
