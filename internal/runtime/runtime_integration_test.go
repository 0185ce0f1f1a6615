//go:build integration

package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

// deniedVariable asks the test binary to look at a socket as another user and to print the reason: see TestDenied.
const deniedVariable = "NODEAGENT_RUNTIME_LOOK"

func TestMain(m *testing.M) {
	if path := os.Getenv(deniedVariable); path != "" {
		looks, _ := Look(context.Background(), Config{Endpoint: path, ProbeTimeout: 5 * time.Second, CheckFrequency: time.Second})
		f := looks[0].Findings[0]
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"status": f.Status.String(), "reason": f.Reason.Name, "message": f.Message})
		os.Exit(0)
	}
	if socket := os.Getenv(inotifyVariable); socket != "" {
		if err := inotifyUsedUp(socket); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// defaults are the agent's.
func defaults(socket string) Config {
	return Config{Endpoint: "unix://" + socket, ProbeTimeout: 3 * time.Second, CheckFrequency: 5 * time.Second}
}

// within holds a time against ten times what is promised: a test machine is shared. The figure itself goes to the log.
func within(t *testing.T, what string, took, promised time.Duration) {
	t.Helper()
	t.Logf("%s after %s (promised: %s)", what, took.Round(100*time.Microsecond), promised)
	if took > 10*promised {
		t.Errorf("%s took %s, promised are %s", what, took, promised)
	}
}

func TestRealContainerd(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		relists := make(chan struct{}, 100)
		r := start(t, defaults(l.Socket()), Hooks{OnRelist: func() { relists <- struct{}{} }})
		r.awaitWell()
		receive(t, relists, "relist")
		v, _ := r.View.Get()
		if v.Name != "containerd" || !strings.HasPrefix(v.Version, l.Version()[:3]) || v.API != "v1" {
			t.Errorf("view %+v of containerd %s", v, l.Version())
		}

		if err := l.Pause(); err != nil {
			t.Fatal(err)
		}
		within(t, "hung", r.awaitFailing("Hung"), 10*time.Second)
		e := r.board.Snapshot().States()[0].Worst()
		if !strings.Contains(e.Message, "stopped (state T)") {
			t.Errorf("a stopped containerd is explained by %q", e.Message)
		}
		looks, _ := Look(t.Context(), Config{Endpoint: l.Socket(), ProbeTimeout: time.Second, CheckFrequency: time.Second})
		if f := looks[0].Findings[0]; f.Reason != reasonHung {
			t.Errorf("a new connection to a stopped containerd finds %+v", f)
		}
		if err := l.Resume(); err != nil {
			t.Fatal(err)
		}
		within(t, "well after hung", r.awaitWell(), time.Second)

		began := time.Now()
		if err := l.Kill(); err != nil {
			t.Fatal(err)
		}
		r.awaitFailing("Dead")
		within(t, "dead", time.Since(began), time.Second)
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		within(t, "well after dead (since the CRI was ready)", r.awaitWell(), time.Second)
		receive(t, relists, "relist after a restart")
		if err := l.Stop(t.Context()); err != nil { // removes no socket, or does: by version
			t.Fatal(err)
		}
		within(t, "dead after a stop", r.awaitFailing("Dead"), time.Second)
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		within(t, "well after a stop (since the CRI was ready)", r.awaitWell(), time.Second)
	})
}

// Another daemon takes the place of one that hangs.
func TestRealSocketReplaced(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		one, two := labtest.Start(t, lab.Options{Containerd: binary}), labtest.Start(t, lab.Options{Containerd: binary})
		dir := t.TempDir()
		socket := filepath.Join(dir, "s")
		if err := os.Symlink(one.Socket(), socket); err != nil {
			t.Fatal(err)
		}
		r := start(t, defaults(socket), Hooks{})
		r.awaitWell()
		if err := one.Pause(); err != nil {
			t.Fatal(err)
		}
		r.awaitFailing("Hung")
		if err := os.Symlink(two.Socket(), filepath.Join(dir, "t")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "t"), socket); err != nil {
			t.Fatal(err)
		}
		within(t, "well at the new socket", r.awaitWell(), time.Second)
		if err := one.Resume(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRealNetworkNotReady(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		r := start(t, defaults(l.Socket()), Hooks{})
		r.awaitWell()
		conf := filepath.Join(filepath.Dir(firstFile(t, l.Dir(), "*.conflist")), "*.conflist")
		files, _ := filepath.Glob(conf)
		for _, f := range files {
			if err := os.Rename(f, f+".off"); err != nil {
				t.Fatal(err)
			}
		}
		within(t, "network not ready", r.await("ok", "ok", "failing/CNINotInitialized"), 6*time.Second)
		for _, f := range files {
			if err := os.Rename(f+".off", f); err != nil {
				t.Fatal(err)
			}
		}
		within(t, "network ready", r.awaitWell(), 6*time.Second)
	})
}

func firstFile(t *testing.T, dir, pattern string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok && found == "" {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no %s below %s: %v", pattern, dir, err)
	}
	return found
}

func TestDenied(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		// The binary may lie where nobody but root may look for it; its own link in /proc needs no path.
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Dir = "/"
		cmd.Env = []string{deniedVariable + "=" + l.Socket()}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.Bytes())
		}
		var got map[string]string
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if got["reason"] != "Denied" || !strings.Contains(got["message"], "uid 65534") {
			t.Errorf("a stranger sees %v", got)
		}
	})
}

func TestRealEvents(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		const image = "lab.invalid/sleeper:1"
		if err := l.Import(t.Context(), l.WorkloadImage(image, "sleep", "1h")); err != nil {
			t.Fatal(err)
		}
		type at struct {
			id   string
			when time.Time
		}
		hints, relists := make(chan at, 1000), make(chan struct{}, 100)
		r := start(t, defaults(l.Socket()), Hooks{
			OnEvent:  func(id, _ string) { hints <- at{id, time.Now()} },
			OnRelist: func() { relists <- struct{}{} },
		})
		await := func(id, what string) time.Time {
			t.Helper()
			for {
				if h := receive(t, hints, what); h.id == id {
					return h.when
				}
			}
		}
		receive(t, relists, "relist")
		sandbox, container, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: "p", Image: image})
		if err != nil {
			t.Fatal(err)
		}
		await(container, "event of the start")
		pid := pidOf(t, r, container)
		began := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		within(t, "event of an exit", await(container, "event of the exit").Sub(began), 100*time.Millisecond)
		eventually(t, "end of the container in the CRI", func() bool {
			s, err := r.CRI().ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: container})
			if err != nil {
				t.Fatal(err)
			}
			return s.Status.State == cri.ContainerState_CONTAINER_EXITED
		})
		within(t, "the CRI agrees", time.Since(began), 100*time.Millisecond)
		if _, err := r.CRI().StopPodSandbox(t.Context(), &cri.StopPodSandboxRequest{PodSandboxId: sandbox}); err != nil {
			t.Fatal(err)
		}
		await(sandbox, "event of the sandbox")

		if err := l.Kill(); err != nil {
			t.Fatal(err)
		}
		r.awaitFailing("Dead")
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		receive(t, relists, "relist after a restart")
		if _, err := r.CRI().RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: sandbox}); err != nil {
			t.Fatal(err)
		}
		await(container, "event of the removal")
	})
}

func pidOf(t *testing.T, r *rig, container string) int {
	t.Helper()
	s, err := r.CRI().ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: container, Verbose: true})
	if err != nil {
		t.Fatal(err)
	}
	var info struct{ Pid int }
	if err := json.Unmarshal([]byte(s.Info["info"]), &info); err != nil || info.Pid == 0 {
		t.Fatalf("info %q: %v", s.Info["info"], err)
	}
	return info.Pid
}
