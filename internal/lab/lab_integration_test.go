//go:build integration

package lab_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

const hello = "lab.invalid/hello:1"

// abandonVariable asks the test binary to be the process that is killed with a
// running lab in its hands. See TestCleanupAfterKillOfEverything.
const abandonVariable = "NODEAGENT_LAB_ABANDON"

func TestMain(m *testing.M) {
	if dir := os.Getenv(abandonVariable); dir != "" {
		if err := abandon(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func TestPodServesAndOutlivesContainerd(t *testing.T) {
	l := labtest.Start(t, lab.Options{})
	importHello(t, l)
	for _, handler := range l.Handlers() {
		t.Run(handler, func(t *testing.T) {
			if handler == "crun" && !strings.HasPrefix(l.Version(), "1.6") {
				t.Logf("containerd %s: Debian's crun 1.8 takes its specs no more", l.Version())
				return
			}
			pod := labtest.Pod{Name: "hello-" + handler, Image: hello, Handler: handler}
			_, id, _, err := labtest.RunPod(t.Context(), l, pod)
			if err != nil {
				t.Fatal(err)
			}
			get(t, l, pod.Name)
			before := seen(t, l, id)
			if before.State != "Running" || before.PID == 0 || before.Pod != pod.Name || before.Container != "main" {
				t.Fatalf("the listing shows %+v", before)
			}
			if err := l.Kill(); err != nil {
				t.Fatal(err)
			}
			alive(t, before.PID)
			if err := l.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if after := seen(t, l, id); after != before {
				t.Errorf("after a kill of containerd the listing shows %+v, before %+v", after, before)
			}
			if err := l.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			get(t, l, pod.Name)
		})
	}
}

func TestPausedContainerdDoesNotAnswer(t *testing.T) {
	l := labtest.Start(t, lab.Options{})
	if err := l.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := l.List(short); err == nil {
		t.Error("a paused containerd answered")
	}
	if err := l.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.List(t.Context()); err != nil {
		t.Errorf("after Resume: %v", err)
	}
	if err := l.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("stop a paused containerd: %v", err)
	}
	if pid := l.PID(); pid != 0 {
		t.Errorf("after Stop containerd has pid %d", pid)
	}
}

func TestNothingOutsideOfTheLabChanges(t *testing.T) {
	before := hostState(t)
	dir := filepath.Join(t.TempDir(), "lab")
	l, err := lab.New(lab.Options{Dir: dir, Name: "outside", Containerd: os.Getenv(labtest.ContainerdVariable), Workload: lab.BuildWorkload(t), Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	importHello(t, l)
	if _, _, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: "a", Image: hello}); err != nil {
		t.Fatal(err)
	}
	if left := lab.Leftovers("outside", dir); len(left) < 8 {
		t.Errorf("of a running lab Leftovers lists only %q", left)
	}
	if err := lab.Cleanup("outside", dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a lab in use was cleaned up: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if left := lab.Leftovers("outside", dir); len(left) > 0 {
		t.Errorf("left after Close:\n%s", strings.Join(left, "\n"))
	}
	after := hostState(t)
	for what := range before {
		if !slices.Equal(before[what], after[what]) {
			t.Errorf("%s was\n%s\nand is\n%s", what, strings.Join(before[what], "\n"), strings.Join(after[what], "\n"))
		}
	}
}

func TestCleanupAfterKillOfEverything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), abandonVariable+"="+dir, "NODEAGENT_LAB_WORKLOAD="+lab.BuildWorkload(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Cleanup("abandoned", dir); err != nil {
			t.Error(err)
		}
	})
	// It says so when its pod runs and containerd is killed, and waits.
	buf := make([]byte, 4096)
	n, _ := out.Read(buf)
	said := string(buf[:n])
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if said != "pod runs\n" {
		t.Fatalf("the process to be abandoned said %q", said)
	}
	left := strings.Join(lab.Leftovers("abandoned", dir), "\n")
	for _, want := range []string{"containerd-shim", "(nodeagent)", "mount ", "netns", "link nal-abandoned", "link veth", "cgroup ", shimFolder, "/var/lib/cni/results", "folder " + dir} {
		if !strings.Contains(left, want) {
			t.Errorf("Leftovers does not list %q:\n%s", want, left)
		}
	}
	if _, err := lab.New(lab.Options{Dir: dir, Name: "abandoned", Workload: os.Args[0]}); err == nil || !strings.Contains(err.Error(), "clean it up") {
		t.Errorf("a lab was made over an abandoned one: %v", err)
	}
	cgroups := sandboxCgroups(t)
	if len(cgroups) == 0 {
		t.Error("pod b has no cgroup beside the lab's")
	}
	begin := time.Now()
	if err := lab.Cleanup("abandoned", dir); err != nil {
		t.Fatal(err)
	}
	t.Logf("cleaned up in %s", time.Since(begin))
	if left := lab.Leftovers("abandoned", dir); len(left) > 0 {
		t.Errorf("left after Cleanup:\n%s", strings.Join(left, "\n"))
	}
	for _, gone := range append(cgroups, dir, "/run/nodeagent-lab/abandoned") {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
}

// sandboxCgroups are the cgroups named by a container id at the top of a hierarchy.
func sandboxCgroups(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("/sys/fs/cgroup/*")
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob("/sys/fs/cgroup/*/*")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(append(all, below...), func(path string) bool { return len(filepath.Base(path)) != 64 })
}

const shimFolder = "/run/containerd/s/"

// abandon is the other process: it ends by kill -9 only.
func abandon(dir string) error {
	l, err := lab.New(lab.Options{Dir: dir, Name: "abandoned", Containerd: os.Getenv(labtest.ContainerdVariable), Workload: os.Getenv("NODEAGENT_LAB_WORKLOAD")})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.Start(ctx); err != nil {
		return err
	}
	if err := l.Import(ctx, l.WorkloadImage(hello, "sleep", "--ignore-term")); err != nil {
		return err
	}
	if _, _, _, err := labtest.RunPod(ctx, l, labtest.Pod{Name: "a", Image: hello}); err != nil {
		return err
	}
	// Not below the lab's cgroup: only its bundle tells where.
	if _, _, _, err := labtest.RunPod(ctx, l, labtest.Pod{Name: "b", Image: hello, CgroupParent: "/"}); err != nil {
		return err
	}
	if err := l.Kill(); err != nil {
		return err
	}
	fmt.Println("pod runs")
	select {}
}

// A killed shim takes its bundle with it and leaves its socket.
func TestKilledShimLeavesNothingAfterClose(t *testing.T) {
	strange := map[string]bool{} // of other containerds, which stay
	if others, err := os.ReadDir(shimFolder); err == nil {
		for _, socket := range others {
			strange[socket.Name()] = true
		}
	}
	l := labtest.Start(t, lab.Options{})
	importHello(t, l)
	sandbox, id, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: "a", Image: hello})
	if err != nil {
		t.Fatal(err)
	}
	shims := 0
	for _, line := range lab.Leftovers(l.Name(), l.Dir()) {
		var pid int
		if n, _ := fmt.Sscanf(line, "process %d (containerd-shim", &pid); n == 1 && strings.Contains(line, sandbox) {
			shims++
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if shims != 1 {
		t.Fatalf("the pod has %d shims", shims)
	}
	bundle := filepath.Join("/run/nodeagent-lab", l.Name(), "state/io.containerd.runtime.v2.task/k8s.io", sandbox)
	deadline := time.Now().Add(10 * time.Second)
	for seen(t, l, id).State == "Running" || exists(bundle) {
		if time.Now().After(deadline) {
			t.Fatal("containerd does not see that the shim is gone")
		}
		time.Sleep(10 * time.Millisecond)
	}
	before, err := os.ReadDir(shimFolder)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, socket := range before {
		if !strange[socket.Name()] && exists(shimFolder+socket.Name()) {
			t.Errorf("the shim's socket %s is left", socket.Name())
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// BenchmarkPod measures the calls on a quiet machine: go test -tags integration
// -bench Pod -run '^$' -benchtime 15x ./internal/lab
func BenchmarkPod(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "lab")
	l, err := lab.New(lab.Options{Dir: dir, Containerd: os.Getenv(labtest.ContainerdVariable), Workload: lab.BuildWorkload(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := l.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := l.Import(b.Context(), l.WorkloadImage(hello, "serve")); err != nil {
		b.Fatal(err)
	}
	for _, hostNetwork := range []bool{true, false} {
		b.Run(fmt.Sprintf("hostNetwork=%t", hostNetwork), func(b *testing.B) {
			var run, create, start []time.Duration
			for b.Loop() {
				pod := labtest.Pod{Name: fmt.Sprintf("p%d-%d", len(run), time.Now().UnixNano()), Image: hello, Args: []string{"sleep"}, HostNetwork: hostNetwork}
				id, _, took, err := labtest.RunPod(b.Context(), l, pod)
				if err != nil {
					b.Fatal(err)
				}
				run, create, start = append(run, took.Run), append(create, took.Create), append(start, took.Start)
				removePod(b, l, id)
			}
			for name, times := range map[string][]time.Duration{"run": run, "create": create, "start": start} {
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
			}
		})
	}
}

func removePod(b *testing.B, l *lab.Lab, id string) {
	conn, err := l.Dial()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	if _, err := client.StopPodSandbox(b.Context(), &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		b.Fatal(err)
	}
	if _, err := client.RemovePodSandbox(b.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		b.Fatal(err)
	}
}

func importHello(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.Import(t.Context(), l.WorkloadImage(hello, "serve")); err != nil {
		t.Fatal(err)
	}
}

func seen(t *testing.T, l *lab.Lab, id string) lab.Seen {
	t.Helper()
	list, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(s lab.Seen) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("container %s is not in %+v", id, list)
	}
	return list[i]
}

// get asks the pod over the lab's network. The container runs, but may not
// listen yet.
func get(t *testing.T, l *lab.Lab, pod string) {
	t.Helper()
	pods, err := l.Pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(pods, func(p lab.SeenPod) bool { return p.Name == pod })
	if i < 0 || !pods[i].Ready || pods[i].IP == "" {
		t.Fatalf("pod %s is not ready with an address: %+v", pod, pods)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		answer, err := http.Get("http://" + pods[i].IP + ":8080/")
		if err == nil {
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil || !strings.HasPrefix(string(body), "hello from "+pod) {
				t.Errorf("the pod answered %q, %v", body, err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pod does not answer: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func alive(t *testing.T, pid int) {
	t.Helper()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		t.Errorf("the pod's process ended with containerd: %v", err)
	}
}

// hostState is what a lab could leave behind or change.
func hostState(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, file := range []string{"/proc/self/mountinfo", "/proc/sys/net/ipv4/ip_forward", "/proc/net/route"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = []string{string(b)}
	}
	for _, pattern := range []string{
		"/sys/class/net/*", "/run/containerd", "/run/containerd/*", "/run/netns/*", "/run/nodeagent-lab*", "/run/runc*", "/run/crun*", "/var/lib/cni*", "/var/lib/cni/*/*",
		"/var/lib/containerd*", "/opt/*", "/etc/cni*", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*lab*", "/sys/fs/cgroup/*/k8s.io",
	} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out[pattern] = names
	}
	return out
}
