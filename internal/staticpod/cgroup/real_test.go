//go:build integration

package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const roleKey = "NA_CG_ROLE"

// TestMain lets the test's own binary be what runs in the cgroups.
func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "":
		os.Exit(m.Run())
	case "idle":
		os.Exit(idle())
	}
	os.Exit(99)
}

// idle obeys its standard input: "eat" eats memory itself, "child" lets a child do so and tells of its end, the end of the input ends it.
func idle() int {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "eat":
			return eat()
		case "child":
			fmt.Println(child())
		case "burn":
			fmt.Println("burns")
			go func() {
				for n := 0; ; n++ {
					_ = n
				}
			}()
		}
	}
	return 0
}

// child starts a child that the kernel takes first, and lets it eat.
func child() string {
	c := exec.Command("/proc/self/exe")
	c.Env = []string{roleKey + "=idle"}
	in, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err == nil {
		err = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", c.Process.Pid), []byte("1000"), 0)
	}
	if err == nil {
		_, err = io.WriteString(in, "eat\n")
	}
	if err != nil {
		return err.Error()
	}
	_ = c.Wait()
	return c.ProcessState.String()
}

// eat touches 256 MiB.
func eat() int {
	b, err := syscall.Mmap(-1, 0, 256<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return 98
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	return 97
}

// one is a process of the test's own in cgroups.
type one struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T) *one {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{roleKey + "=idle"}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	o := &one{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return o
}

func (o *one) say(t *testing.T, what string) {
	t.Helper()
	_, err := io.WriteString(o.in, what+"\n")
	must(t, err)
}

func (o *one) hear(t *testing.T) string {
	t.Helper()
	if !o.out.Scan() {
		t.Fatal("the process said nothing", o.out.Err())
	}
	return o.out.Text()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// into moves a process into folders.
func into(t *testing.T, pid int, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		must(t, os.MkdirAll(d, 0o755))
		if exists(filepath.Join(d, "cpuset.cpus")) {
			must(t, inheritCpuset(d))
		}
		must(t, appendTo(filepath.Join(d, "cgroup.procs"), strconv.Itoa(pid)))
	}
}

// realPod is the parent of a pod below a root of the test's own, which is removed with all below it when the test ends, its processes first.
func realPod(t testing.TB, class corev1.PodQOSClass) (*Tree, string) {
	t.Helper()
	tree, err := Open("")
	must(t, err)
	if tree.Version() == V2 {
		t.Fatal("this test is for v1 and hybrid")
	}
	name := fmt.Sprintf("na-cg-%d", os.Getpid())
	t.Cleanup(func() {
		for _, h := range tree.hierarchies {
			var found []string
			var pids []int
			if err := collect(filepath.Join(h.dir, name), &found, &pids); err != nil {
				t.Error(err)
			}
			for _, pid := range pids {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			for _, dir := range slices.Backward(found) {
				for end := time.Now().Add(5 * time.Second); syscall.Rmdir(dir) == syscall.EBUSY && time.Now().Before(end); time.Sleep(time.Millisecond) {
				}
				if exists(dir) {
					t.Errorf("%s is left", dir)
				}
			}
		}
	})
	return tree, Parent("/"+name, false, class, "real")
}

// containerDirs are where a runtime makes a container's cgroup.
func containerDirs(tree *Tree, parent, id string) []string {
	var out []string
	for _, dir := range tree.Dirs(parent, false) {
		out = append(out, filepath.Join(dir, id))
	}
	return out
}

func TestRealLimitsAndRemoval(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSBurstable)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 512, CPUQuota: 50000, Memory: 16 << 20}))
	at := func(controller, name string) string { return get(t, tree.mount(controller), parent, name) }
	for _, test := range []struct{ controller, name, want string }{
		{"cpu", "cpu.shares", "512"}, {"cpu", "cpu.cfs_quota_us", "50000"}, {"memory", "memory.limit_in_bytes", "16777216"},
		{"cpu", "../../cpu.shares", strconv.FormatUint(tree.defaultShares("kubepods"), 10)},
	} {
		if got := at(test.controller, test.name); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if at("cpuset", "cpuset.cpus") == "" {
		t.Error("no process can enter the cpuset")
	}
	u, err := tree.Sample(parent, false)
	if err != nil || u.MemoryLimit != 16<<20 || len(u.Missing) > 0 {
		t.Errorf("%+v, %v", u, err)
	}
	must(t, tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 1024}))
	if got := at("cpu", "cpu.cfs_quota_us") + " " + at("memory", "memory.limit_in_bytes"); got != "-1 9223372036854771712" {
		t.Errorf("the limits that were taken away: %s", got)
	}

	// A process in any hierarchy keeps the whole, in the hybrid's v2 one too.
	p := start(t)
	for _, dir := range containerDirs(tree, parent, "abc") {
		into(t, p.cmd.Process.Pid, dir)
		err := tree.Remove(t.Context(), parent, false)
		var busy *BusyError
		if !errors.As(err, &busy) || !slices.Equal(busy.PIDs, []int{p.cmd.Process.Pid}) || !strings.Contains(err.Error(), `"exe"`) || !exists(dir) {
			t.Errorf("%s: %v", dir, err)
		}
		into(t, p.cmd.Process.Pid, strings.TrimSuffix(dir, parent+"/abc"))
	}
	into(t, p.cmd.Process.Pid, containerDirs(tree, parent, "abc")...)
	p.in.Close()
	must(t, p.cmd.Wait())
	must(t, tree.Remove(t.Context(), parent, false))
	for _, dir := range tree.Dirs(parent, false) {
		if exists(dir) {
			t.Errorf("%s is left", dir)
		}
	}
	if !exists(filepath.Join(tree.mount("cpu"), filepath.Dir(parent))) {
		t.Error("a level above the pod was removed")
	}
	must(t, tree.Remove(t.Context(), parent, false)) // again
	if _, err := tree.Sample(parent, false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A pod's cgroup goes and comes again under the name that the sampler keeps open.
func TestRealPodMadeAgain(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSBurstable)
	s := NewSampler(SamplerOptions{Tree: tree, Pods: func() []Target { return []Target{{Key: "x", Parent: parent}} }})
	defer s.closeAll()
	round := func(memory int64, there bool) {
		t.Helper()
		s.round()
		if u, ok := s.Usages()["x"]; ok != there || u.MemoryLimit != uint64(memory) || len(u.Missing) > 0 {
			t.Errorf("%+v, %v", u, ok)
		}
	}
	round(0, false)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{Memory: 16 << 20}))
	round(16<<20, true)
	must(t, tree.Remove(t.Context(), parent, false))
	must(t, tree.Ensure(t.Context(), parent, false, Limits{Memory: 16 << 20}))
	round(16<<20, true)
	must(t, tree.Remove(t.Context(), parent, false))
	round(0, false)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{Memory: 32 << 20}))
	round(32<<20, true)
}

func TestRealThrottling(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSGuaranteed)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 2, CPUQuota: 5000}))
	p := start(t)
	into(t, p.cmd.Process.Pid, containerDirs(tree, parent, "abc")...)
	s := NewSampler(SamplerOptions{Tree: tree, Pods: func() []Target { return []Target{{Key: "x", Parent: parent, Containers: []string{"abc"}}} }})
	p.say(t, "burn")
	p.hear(t)
	defer s.closeAll()
	var last Usage
	for end := time.Now().Add(20 * time.Second); last.ThrottledPeriods < 5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never throttled: %+v", last)
		}
		s.round()
		last = s.Usages()["x"]
	}
	if last.CPU == 0 || last.Throttled == 0 || last.Periods < last.ThrottledPeriods || last.MemoryUsage == 0 || last.MemoryWorkingSet > last.MemoryUsage || last.PIDs == 0 {
		t.Errorf("%+v", last)
	}
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkRound is one round over 500 pods with a container each: at 10 s, 0.1 % of a core are 10 ms.
func BenchmarkRound(b *testing.B) {
	for _, test := range []struct {
		name  string
		files int
		busy  bool
	}{{"idle", 4096, false}, {"busy", 4096, true}, {"nothing kept open", -1, false}} {
		b.Run(test.name, func(b *testing.B) {
			tree, parent := realPod(b, corev1.PodQOSBurstable)
			var targets []Target
			for i := range 500 {
				p := fmt.Sprintf("%s%d", parent, i)
				must(b, tree.Ensure(b.Context(), p, false, Limits{CPUShares: 2, CPUQuota: 50000, Memory: 64 << 20}))
				for _, dir := range containerDirs(tree, p, "abc") {
					must(b, os.MkdirAll(dir, 0o755))
				}
				targets = append(targets, Target{Key: p, Parent: p, Containers: []string{"abc"}})
			}
			s := NewSampler(SamplerOptions{Tree: tree, Files: test.files, Pods: func() []Target { return targets }})
			defer s.closeAll()
			s.round()
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if test.busy { // as if each had run and used memory since
					for _, p := range s.probes {
						p.pod.last.CPU, p.pod.last.MemoryUsage = 1, 1
					}
				}
				s.round()
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/round")
			if len(s.Usages()) != 500 {
				b.Fatal(len(s.Usages()))
			}
			b.ReportMetric(float64(test.files-s.files.left), "fds")
		})
	}
}
