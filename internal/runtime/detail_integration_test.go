//go:build integration

package runtime

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
	"nodeagent/internal/procs"
	"nodeagent/internal/runtime/oci"
	"nodeagent/internal/runtime/shim"
)

// everyContainerd runs a test over the machine's containerd, and over each whose path is in NODEAGENT_TEST_CONTAINERDS.
func everyContainerd(t *testing.T, run func(t *testing.T, binary string)) {
	list := append([]string{"containerd"}, filepath.SplitList(os.Getenv("NODEAGENT_TEST_CONTAINERDS"))...)
	for _, binary := range list {
		t.Run(strings.Trim(strings.ReplaceAll(binary, "/", "_"), "_"), func(t *testing.T) { run(t, binary) })
	}
}

// eager looks at the details as often as at the rest.
func eager(l *lab.Lab) Config {
	c := defaults(l.Socket())
	c.CheckFrequency, c.DetailFrequency = time.Second, 200*time.Millisecond
	c.shimGrace, c.ociPatience = time.Nanosecond, time.Second
	c.ImageSpaceMin, c.ImageInodesMin = 0.001, 0.001 // the test machine's disk is its own affair
	return c
}

func (r *rig) awaitDetailsWell() {
	r.t.Helper()
	for _, c := range details() {
		switch c {
		case CgroupDriver, RuntimeUnit: // no kubelet, no systemd
			r.awaitOf(c, "", "absent")
		default:
			r.awaitOf(c, "", "ok")
		}
	}
}

func TestRealDetails(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		cfg := eager(l)
		r := start(t, cfg, Hooks{})
		r.awaitDetailsWell()
		v, _ := r.Details.Get()
		if v.CgroupDriver != "cgroupfs" || v.PauseImage != lab.PauseImage || v.Shim != l.Version() || v.Images != 1 || len(v.ImageFs) != 1 {
			t.Errorf("view %+v", v)
		}
		for _, h := range v.Handlers {
			if h.Runtime != h.Handler || h.Version == "" || h.Path == "" {
				t.Errorf("handler %+v", h)
			}
		}
		looks, _ := Look(t.Context(), cfg)
		for _, k := range looks {
			for _, f := range k.Findings {
				if w := word(f); w != "ok" && w != "absent" {
					t.Errorf("a look with no daemon finds %s %s: %s %s", k.Of.Name, f.Subject, w, f.Message)
				}
			}
		}
	})
}

func TestRealPauseImageMissing(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		r := start(t, eager(l), Hooks{})
		r.awaitOf(PauseImage, "", "ok")
		if _, err := r.Images().RemoveImage(t.Context(), &cri.RemoveImageRequest{Image: &cri.ImageSpec{Image: lab.PauseImage}}); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(PauseImage, "", "failing/Missing")
		if err := l.Import(t.Context(), l.WorkloadImage(lab.PauseImage, "pause")); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(PauseImage, "", "ok")
	})
}

func TestRealNameReserved(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		r := start(t, eager(l), Hooks{})
		r.awaitWell()
		config := &cri.PodSandboxConfig{
			Metadata: &cri.PodSandboxMetadata{Name: "twin", Namespace: "lab", Uid: "u"}, LogDirectory: l.PodLogs(),
			Linux: &cri.LinuxPodSandboxConfig{CgroupParent: l.CgroupParent(), SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE}}},
		}
		one, err := r.CRI().RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: config})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.CRI().RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: config}); err == nil {
			t.Fatal("a second sandbox of one name was made")
		}
		r.awaitOf(PodNames, "twin_lab_u_0", "failing/Reserved")
		if _, err := r.CRI().StopPodSandbox(t.Context(), &cri.StopPodSandboxRequest{PodSandboxId: one.PodSandboxId}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.CRI().RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: one.PodSandboxId}); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(PodNames, "", "ok")
	})
}

// The folder of the network's configuration is removed and made again: containerd 1.6 has lost sight of it for good,
// 2.4 ends. A restart puts both right.
func TestRealCNIFolderReplaced(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		r := start(t, eager(l), Hooks{})
		r.awaitDetailsWell()
		files, _ := filepath.Glob(filepath.Join(l.CNIConf(), "*"))
		content, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(l.CNIConf()); err != nil {
			t.Fatal(err)
		}
		r.until(func(s health.Snapshot) bool { // containerd 2.4 ends when its folder goes away
			return stateIs(NetworkReady, "failing/CNINotInitialized")(s) || stateIs(RuntimeResponsive, "failing/Dead")(s)
		})
		if err := os.MkdirAll(l.CNIConf(), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files[0], content, 0o644); err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-time.Minute) // as if it were there for a minute
		if err := os.Chtimes(files[0], long, long); err != nil {
			t.Fatal(err)
		}
		r.until(stateIs(NetworkReady, "failing/CNIFolderReplaced", "ok", "unknown/RuntimeUnresponsive"))
		t.Logf("after the folder was made again: %s", word1(r, NetworkReady))
		if err := l.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.awaitWell()
		r.awaitDetailsWell()
	})
}

// An OCI runtime that does not come back: seen in its operation, and where its binary is new in --version.
func TestRealHungOCIRuntime(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		flag, path := filepath.Join(dir, "sleep"), filepath.Join(dir, "sleepyrunc")
		text := "#!/bin/sh\nif [ -e " + flag + " ]; then exec sleep 1000; fi\nexec runc \"$@\"\n"
		// The sleeping shell must stay one, or its name and arguments are sleep's.
		text = strings.Replace(text, "exec sleep 1000", "sleep 1000; exit 1", 1)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		l := labtest.Start(t, lab.Options{Containerd: binary, Handlers: []string{"sleepyrunc"}})
		const image = "lab.invalid/sleeper:1"
		if err := l.Import(t.Context(), l.WorkloadImage(image, "sleep")); err != nil {
			t.Fatal(err)
		}
		cfg := eager(l)
		cfg.ProbeTimeout = time.Second
		r := start(t, cfg, Hooks{})
		r.awaitOf(OCIRuntimes, "sleepyrunc", "ok")

		if err := os.WriteFile(flag, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, _, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: "p", Image: image, HostNetwork: true})
			ended <- err
		}()
		r.awaitOf(OCIRuntimes, "sleepyrunc", "failing/Hung")
		if err := os.Remove(flag); err != nil {
			t.Fatal(err)
		}
		killSleepers(t, path)
		if err := receive(t, ended, "end of the start"); err == nil {
			t.Error("a sandbox whose runtime was killed started")
		}
		killSleepers(t, path) // what containerd ran to clean up
		r.awaitOf(OCIRuntimes, "sleepyrunc", "ok")

		if err := os.WriteFile(flag, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil { // as an upgrade does
			t.Fatal(err)
		}
		r.awaitOf(OCIRuntimes, "sleepyrunc", "failing/Hung")
		if err := os.Remove(flag); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(OCIRuntimes, "sleepyrunc", "ok")
	})
}

// killSleepers ends the script and what it waits for, and no other process.
func killSleepers(t *testing.T, path string) {
	t.Helper()
	list, err := shim.ReadProcesses(procs.New("/proc"), func(comm string) bool { return comm == filepath.Base(path)[:min(15, len(filepath.Base(path)))] })
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		children, _ := os.ReadFile(procPath(p.PID, "task/"+filepath.Base(procPath(p.PID, ""))+"/children"))
		if len(p.Args) > 1 && p.Args[1] == path {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
			for _, child := range strings.Fields(string(children)) {
				_ = exec.Command("kill", "-9", child).Run()
			}
		}
	}
}

func TestRealShims(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		const image = "lab.invalid/sleeper:1"
		if err := l.Import(t.Context(), l.WorkloadImage(image, "sleep")); err != nil {
			t.Fatal(err)
		}
		r := start(t, eager(l), Hooks{})
		sandbox, container, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: "p", Image: image, HostNetwork: true})
		if err != nil {
			t.Fatal(err)
		}
		r.awaitOf(RuntimeTasks, "", "ok")
		pid := pidOf(t, r, container)
		of := shimOf(t, sandbox)
		if err := syscall.Kill(of, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(RuntimeTasks, "shim "+short(sandbox), "failing/ShimStopped")
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(RuntimeTasks, "lab/p/main", "failing/DeadTask")
		if err := syscall.Kill(of, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(RuntimeTasks, "", "ok")

		leaked := leakShim(t, l, binary)
		r.awaitOf(RuntimeTasks, "shim leaked-by-tes", "failing/Leaked")
		if err := syscall.Kill(leaked, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(RuntimeTasks, "", "ok")
	})
}

func shimOf(t *testing.T, id string) int {
	t.Helper()
	list, err := shim.ReadProcesses(procs.New("/proc"), shim.IsShim)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if s, ok := shim.Parse(p); ok && s.ID == id {
			return s.PID
		}
	}
	t.Fatalf("no shim of %s", id)
	return 0
}

// leakShim starts a shim as containerd does, and no task in it.
func leakShim(t *testing.T, l *lab.Lab, binary string) int {
	t.Helper()
	bundle := filepath.Join(l.Dir(), "leaked")
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"config.json": `{"ociVersion":"1.0.2","annotations":{}}`, "log": ""} {
		if err := os.WriteFile(filepath.Join(bundle, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The machine's own: the newest ones take what they are told in another way, and a shim with no task is one whatever its version.
	cmd := exec.CommandContext(t.Context(), shimName, "-namespace", "k8s.io", "-address", l.Socket(), "-publish-binary", binary, "-id", "leaked-by-test", "start")
	cmd.Dir = bundle
	cmd.Env = append(os.Environ(), "TTRPC_ADDRESS="+l.Socket()+".ttrpc", "GRPC_ADDRESS="+l.Socket(), "NAMESPACE=k8s.io", "TTRPC_SOCKET="+l.Socket()+".ttrpc")
	cmd.Stdin = strings.NewReader("")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("start a shim: %v: %s", err, out)
	}
	pid := shimOf(t, "leaked-by-test")
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

// containerd's shim is replaced under a daemon that runs on, as a package upgrade does.
func TestRealShimSkew(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		dir := t.TempDir()
		copyFile := func(name string) {
			t.Helper()
			path, err := exec.LookPath(strings.TrimSuffix(binary, "containerd") + name) // of the same build
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".new"), b, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		copyFile("containerd")
		copyFile(shimName)
		l := labtest.Start(t, lab.Options{Containerd: filepath.Join(dir, "containerd")})
		r := start(t, eager(l), Hooks{})
		r.awaitOf(ShimVersion, "", "ok")
		script := filepath.Join(dir, "other")
		if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s:\\n  Version:  v9.9.9\\n' "+shimName+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(script, filepath.Join(dir, shimName)); err != nil {
			t.Fatal(err)
		}
		r.awaitOf(ShimVersion, "", "failing/VersionSkew")
		copyFile(shimName)
		r.awaitOf(ShimVersion, "", "ok")
	})
}

// What Refuses foretells is what crun does.
func TestRealCrunRefuses(t *testing.T) {
	crun := oci.Find("", "crun", oci.DefaultPath)
	if crun == "" {
		t.Fatal("this test needs crun")
	}
	var versions oci.Versions
	v := versions.Get(t.Context(), crun, "--version", 10*time.Second)
	c, err := oci.ReadCgroups("/proc", 0)
	if err != nil || v.Err != nil {
		t.Fatal(err, v.Err)
	}
	host := oci.Host{Cgroups: c, Runtime: "containerd", Version: "1.6.20"}
	_, foretold := oci.Refuses(v, host)
	bundle := t.TempDir()
	run := func(spec string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(bundle, "rootfs"), 0o755); err != nil {
			t.Fatal(err)
		}
		text := `{"ociVersion":"` + spec + `","process":{"args":["/none"],"cwd":"/","user":{"uid":0,"gid":0}},"root":{"path":"rootfs"},"mounts":[],"linux":{"namespaces":[{"type":"mount"}]}}`
		if err := os.WriteFile(filepath.Join(bundle, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), crun, "--root", filepath.Join(bundle, "state"), "run", "--bundle", bundle, "nodeagent-runtime-test").CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("crun: %v", err)
		}
		return string(out)
	}
	if said := run("1.0.2-dev"); strings.Contains(said, "hybrid") != foretold {
		t.Errorf("foretold %v on %+v, and crun says %q", foretold, c, said)
	}
	for daemon, spec := range map[string]string{"1.7.29": "1.1.0", "2.0.0": "1.2.0", "2.4.2": "1.3.0"} {
		host.Version = daemon
		r, foretold := oci.Refuses(v, host)
		if said := run(spec); strings.Contains(said, "unknown version specified") != (foretold && !r.Hybrid) {
			t.Errorf("containerd %s: foretold %+v, and crun says %q", daemon, r, said)
		}
	}
}
