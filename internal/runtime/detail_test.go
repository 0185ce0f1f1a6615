package runtime

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
	"nodeagent/internal/runtime/oci"
)

func word(f health.Finding) string {
	if f.Reason != nil {
		return f.Status.String() + "/" + f.Reason.Name
	}
	return f.Status.String()
}

// awaitOf waits until a condition's subject has this word; subject "" is the worst of all.
func (r *rig) awaitOf(c *health.Condition, subject, want string) time.Duration {
	r.t.Helper()
	return r.until(func(s health.Snapshot) bool {
		for _, st := range s.States() {
			if st.Condition != c {
				continue
			}
			if subject == "" {
				e := st.Worst()
				return word(health.Finding{Status: e.Status, Reason: e.Reason}) == want
			}
			for _, e := range st.Entries {
				if e.Subject == subject {
					return word(health.Finding{Status: e.Status, Reason: e.Reason}) == want
				}
			}
			return want == "gone"
		}
		return false
	})
}

func TestJudgeCall(t *testing.T) {
	code := func(c codes.Code) error { return status.Error(c, "why") }
	for _, c := range []struct {
		err  error
		took time.Duration
		want string
	}{
		{nil, time.Millisecond, "ok"},
		{nil, 1100 * time.Millisecond, "failing/Slow"},
		{code(codes.DeadlineExceeded), 3 * time.Second, "failing/Hung"},
		{code(codes.PermissionDenied), 0, "failing/Denied"},
		{code(codes.Unimplemented), 0, "absent"},
		{code(codes.Unavailable), 0, "unknown/RuntimeUnresponsive"},
		{code(codes.Internal), 0, "failing/Error"},
	} {
		if got := word(judgeCall(c.err, c.took, 3*time.Second, time.Second)); got != c.want {
			t.Errorf("%v after %v is %s, want %s", c.err, c.took, got, c.want)
		}
	}
}

func TestJudgeDisk(t *testing.T) {
	for _, c := range []struct {
		d    disk
		want string
	}{
		{disk{bytes: 100, free: 15, inodes: 100, inodesFree: 5}, "ok"},
		{disk{bytes: 1000, free: 149, inodes: 100, inodesFree: 50}, "failing/SpaceLow"},
		{disk{bytes: 100, free: 50, inodes: 1000, inodesFree: 49}, "failing/InodesLow"},
		{disk{bytes: 100, free: 50}, "ok"}, // btrfs
		{disk{}, "unknown/Unreadable"},
		{disk{err: errors.New("no answer")}, "unknown/Unreadable"},
	} {
		if got := word(judgeDisk(c.d, 15, 5)); got != c.want {
			t.Errorf("%+v is %s, want %s", c.d, got, c.want)
		}
	}
}

func TestJudgeDriver(t *testing.T) {
	unimplemented := timedAnswer[*cri.RuntimeConfigResponse]{Answer: Answer[*cri.RuntimeConfigResponse]{Err: status.Error(codes.Unimplemented, "")}}
	systemd := timedAnswer[*cri.RuntimeConfigResponse]{Answer: Answer[*cri.RuntimeConfigResponse]{Resp: &cri.RuntimeConfigResponse{Linux: &cri.LinuxRuntimeConfiguration{CgroupDriver: cri.CgroupDriver_SYSTEMD}}}}
	for _, c := range []struct {
		name    string
		driver  timedAnswer[*cri.RuntimeConfigResponse]
		told    string
		kubelet KubeletCgroup
		cgroup  string
		want    string
	}{
		{"no kubelet", systemd, "", KubeletCgroup{}, "v2", "absent"},
		{"same", systemd, "cgroupfs", KubeletCgroup{Here: true, Driver: "systemd"}, "v2", "ok"},
		{"other", systemd, "", KubeletCgroup{Here: true, Driver: "cgroupfs"}, "v2", "failing/Mismatch"},
		{"other, as the verbose status tells", unimplemented, "cgroupfs", KubeletCgroup{Here: true, Driver: "systemd"}, "v2", "failing/Mismatch"},
		{"not told", unimplemented, "", KubeletCgroup{Here: true, Driver: "systemd"}, "v2", "unknown/NotReported"},
		{"kubelet says nothing", unimplemented, "systemd", KubeletCgroup{Here: true}, "v2", "ok"},
		{"v1 refused", systemd, "", KubeletCgroup{Here: true, Driver: "systemd", FailV1: true}, "hybrid", "failing/CgroupV1Refused"},
		{"v1 refused on v2", systemd, "", KubeletCgroup{Here: true, Driver: "systemd", FailV1: true}, "v2", "ok"},
	} {
		d := &detailsSeen{cfg: Config{KubeletCgroup: func() KubeletCgroup { return c.kubelet }}, driver: c.driver, told: Told{CgroupDriver: c.told}, cgroups: oci.Cgroups{Version: c.cgroup}}
		if got := word(d.judgeDriver()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestJudgeHandler(t *testing.T) {
	crun := oci.Version{Program: "crun", Version: "1.8.1", ELF: true}
	hybrid := oci.Host{Runtime: "containerd", Version: "1.6.20", Cgroups: oci.Cgroups{Version: "hybrid", Unified: "/sys/fs/cgroup/unified", Controllers: "hugetlb"}}
	for _, c := range []struct {
		name string
		h    handlerSeen
		host oci.Host
		want string
	}{
		{"well", handlerSeen{path: "/usr/sbin/runc", version: oci.Version{Program: "runc", Version: "1.1.5"}}, hybrid, "ok"},
		{"missing", handlerSeen{}, hybrid, "failing/NotFound"},
		{"hung", handlerSeen{path: "/x", version: oci.Version{Err: oci.ErrHung}}, hybrid, "failing/Hung"},
		{"broken", handlerSeen{path: "/x", version: oci.Version{Err: errors.New("exit status 1")}}, hybrid, "failing/Error"},
		{"stuck", handlerSeen{path: "/stuck", version: oci.Version{Program: "runc", Version: "1.1.5"}}, hybrid, "failing/Hung"},
		{"crun on hybrid", handlerSeen{path: "/x", version: crun}, hybrid, "failing/HybridCgroups"},
		{"crun in a script", handlerSeen{path: "/x", version: oci.Version{Program: "crun", Version: "1.8.1"}}, hybrid, "ok"},
		{"crun too old", handlerSeen{path: "/x", version: crun}, oci.Host{Runtime: "containerd", Version: "2.4.2+unknown"}, "failing/TooOld"},
		{"another shim", handlerSeen{path: "/x", Handler: oci.Handler{Shim: true}}, hybrid, "ok"},
	} {
		d := &detailsSeen{stuck: []oci.Operation{{Binary: "/stuck", Verb: "create", PID: 7}}}
		if got := word(d.judgeHandler(c.h, c.host)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestJudgeShim(t *testing.T) {
	for _, c := range []struct {
		daemon, shim string
		err          error
		want         string
	}{
		{"1.6.20~ds1", "1.6.20~ds1", nil, "ok"},
		{"v2.4.2", "2.4.2+unknown", nil, "ok"},
		{"1.6.20~ds1", "2.4.2", nil, "failing/VersionSkew"},
		{"unknown", "2.4.2", nil, "unknown/Error"},
		{"1.6.20", "", oci.ErrHung, "failing/Hung"},
		{"1.6.20", "", errors.New("exit status 1"), "failing/Error"},
	} {
		d := &detailsSeen{name: "containerd", version: c.daemon, peer: 2, daemon: "containerd", shim: shimSeen{path: "/s", version: oci.Version{Version: c.shim, Err: c.err}}}
		if got := word(d.judgeShim()); got != c.want {
			t.Errorf("daemon %s, shim %s %v: %s, want %s", c.daemon, c.shim, c.err, got, c.want)
		}
	}
}

func TestRestartsWithin(t *testing.T) {
	at := func(m int, n uint32) restartSample {
		return restartSample{time.Unix(0, 0).Add(time.Duration(m) * time.Minute), n}
	}
	for _, c := range []struct {
		name    string
		samples []restartSample
		now     int
		want    int
	}{
		{"none", nil, 0, 0},
		{"many before it was looked at", []restartSample{at(0, 70)}, 1, 0},
		{"five", []restartSample{at(0, 1), at(5, 3), at(10, 6)}, 11, 5},
		{"reset by hand", []restartSample{at(0, 9), at(5, 0), at(10, 2)}, 11, 2},
		{"many, and then started by hand", []restartSample{at(0, 1), at(5, 9), at(10, 0), at(12, 1)}, 13, 1},
		{"over", []restartSample{at(0, 1), at(5, 6), at(40, 6)}, 41, 0},
		{"over the window's edge", []restartSample{at(0, 0), at(19, 3), at(39, 5)}, 39, 2},
	} {
		if _, got := restartsWithin(c.samples, at(c.now, 0).at); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestParseReserved(t *testing.T) {
	for _, c := range []struct{ message, name, holder string }{
		{`failed to reserve sandbox name "p_lab_uid-p_0": name "p_lab_uid-p_0" is reserved for "628ff2"`, "p_lab_uid-p_0", "628ff2"},
		{`failed to reserve container name "main_p_lab_uid_1": name "main_p_lab_uid_1" is reserved for "77"`, "main_p_lab_uid_1", "77"},
		{`kubelet may be retrying requests that are timing out in CRI-O due to system load. Currently at stage container network creation: error reserving pod name k8s_web_default_u_0 for id 99: name is reserved`, "k8s_web_default_u_0", ""},
		{`no such image`, "", ""},
	} {
		name, holder, ok := parseReserved(c.message)
		if name != c.name || holder != c.holder || ok != (c.name != "") {
			t.Errorf("%s\ngives %q %q %v", c.message, name, holder, ok)
		}
	}
}

func FuzzToldCRIO(f *testing.F) {
	f.Add([]byte("[crio.runtime.runtimes.crun]\nruntime_path = \"/usr/bin/crun\"\n[crio.runtime]\ndefault_runtime = \"crun\"\n"))
	f.Add([]byte("[crio.runtime.runtimes]\nx"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = toldCRIO(b) })
}

func FuzzToldContainerd(f *testing.F) {
	f.Add(`{"containerd":{"defaultRuntimeName":"runc","runtimes":{"runc":{"runtimeType":"io.containerd.runc.v2","options":{"SystemdCgroup":true}}}}}`)
	f.Add(`{"containerd":{"runtimes":{"k":{"runtimeType":"a"}}}}`)
	f.Fuzz(func(t *testing.T, s string) { _, _ = toldContainerd(map[string]string{"config": s}) })
}

func TestTold(t *testing.T) {
	got, err := toldContainerd(map[string]string{"config": `{"containerd":{"snapshotter":"native","defaultRuntimeName":"runc","runtimes":{
		"runc":{"runtimeType":"io.containerd.runc.v2","options":{"SystemdCgroup":true}},
		"kata":{"runtimeType":"io.containerd.kata.v2","options":null},
		"crun":{"runtimeType":"io.containerd.runc.v2","options":{"BinaryName":"/usr/bin/crun"}}}},"sandboxImage":"pause:3"}`})
	const v2 = "io.containerd.runc.v2"
	want := []oci.Handler{{Name: "crun", Binary: "/usr/bin/crun", Type: v2}, {Name: "kata", Binary: "containerd-shim-kata-v2", Shim: true, Type: "io.containerd.kata.v2"},
		{Name: "runc", Binary: "runc", Default: true, Type: v2, SystemdCgroup: true}}
	if err != nil || len(got.Handlers) != 3 || got.Handlers[0] != want[0] || got.Handlers[1] != want[1] || got.Handlers[2] != want[2] {
		t.Errorf("handlers %+v, %v", got.Handlers, err)
	}
	if got.CgroupDriver != "systemd" || got.PauseImage != "pause:3" || got.Snapshotter != "native" {
		t.Errorf("told %+v", got)
	}
}

// quick is a configuration whose details are looked at as often as the rest.
func quick(fake *crifake.Server, t *testing.T) Config {
	return Config{Endpoint: fake.Serve(t), DetailFrequency: 50 * time.Millisecond}
}

func TestCallsComeAndGo(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	r := start(t, quick(fake, t), Hooks{})
	for _, method := range []string{"ListPodSandbox", "ListContainers", "ListImages", "ImageFsInfo", "RuntimeConfig"} {
		r.awaitOf(RuntimeCalls, method, "ok")
	}
	release := fake.Hang("ListContainers")
	r.awaitOf(RuntimeCalls, "ListContainers", "failing/Hung")
	r.awaitOf(RuntimeTasks, "", "unknown/RuntimeUnresponsive")
	release()
	r.awaitOf(RuntimeCalls, "ListContainers", "ok")
	clear := fake.Delay("ListImages", 100*time.Millisecond)
	r.awaitOf(RuntimeCalls, "ListImages", "failing/Slow")
	clear()
	r.awaitOf(RuntimeCalls, "ListImages", "ok")
	clear = fake.Fail("ImageFsInfo", status.Error(codes.PermissionDenied, "no"), -1)
	r.awaitOf(RuntimeCalls, "ImageFsInfo", "failing/Denied")
	r.awaitOf(ImageFilesystem, "", "unknown/NotReported")
	clear()
	r.awaitOf(RuntimeCalls, "ImageFsInfo", "ok")
	fake.Down()
	r.awaitOf(RuntimeCalls, "", "unknown/RuntimeUnresponsive")
	r.awaitOf(OCIRuntimes, "", "unknown/RuntimeUnresponsive")
	fake.Up()
	r.awaitOf(RuntimeCalls, "ListContainers", "ok")
}

func TestContainerdWithoutRuntimeConfig(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.Containerd16(), SystemdCgroup: true})
	cfg := quick(fake, t)
	var driver atomic.Pointer[string]
	same, other := "systemd", "cgroupfs"
	driver.Store(&other)
	cfg.KubeletCgroup = func() KubeletCgroup { return KubeletCgroup{Here: true, Driver: *driver.Load()} }
	r := start(t, cfg, Hooks{})
	r.awaitOf(RuntimeCalls, "RuntimeConfig", "absent")
	r.awaitOf(CgroupDriver, "", "failing/Mismatch")
	driver.Store(&same)
	r.awaitOf(CgroupDriver, "", "ok")
}

func TestCRIODetails(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.CRIO(), RuntimeHandlers: []string{"no-such-runtime"}, SystemdCgroup: true})
	r := start(t, quick(fake, t), Hooks{})
	r.awaitOf(OCIRuntimes, "no-such-runtime", "failing/NotFound")
	r.awaitOf(ShimVersion, "", "absent")
	r.awaitOf(RuntimePlugins, "", "absent")
	r.awaitOf(PauseImage, "", "failing/Missing")
	r.awaitOf(RuntimeWatch, "events", "failing/NoEvents")
	v, _ := r.Details.Get()
	if v.CgroupDriver != "systemd" || v.PauseImage != "registry.k8s.io/pause:3.10" || len(v.Handlers) != 2 || !v.Handlers[1].Default || v.Handlers[1].Handler != "runc" {
		t.Errorf("view %+v", v)
	}
	fake.AddImage(crifake.Image{Name: "registry.k8s.io/pause:3.10", Present: true})
	r.awaitOf(PauseImage, "", "ok")
	clear := fake.Fail("HTTPconfig", errors.New("out of order"), -1)
	r.awaitOf(OCIRuntimes, "", "unknown/NotReported")
	clear()
	fake.SetConfig("[crio.runtime]\ndefault_runtime = \"sh\"\n[crio.runtime.runtimes.sh]\nruntime_path = \"/bin/false\"\n")
	r.awaitOf(OCIRuntimes, "sh", "failing/Error")
}

func TestUnitComesAndGoes(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	cfg := quick(fake, t)
	var unit atomic.Pointer[Unit]
	unit.Store(&Unit{Name: "containerd.service", KillMode: "process", Restarts: 40})
	cfg.Unit = func(_ context.Context, pid int, name string) (Unit, error) {
		u := *unit.Load()
		if u.Name == "" {
			return u, errors.New("no bus")
		}
		return u, nil
	}
	r := start(t, cfg, Hooks{})
	r.awaitOf(RuntimeUnit, "", "ok")
	unit.Store(&Unit{Name: "containerd.service", KillMode: "control-group", Restarts: 40})
	r.awaitOf(RuntimeUnit, "", "failing/KillMode")
	unit.Store(&Unit{})
	r.awaitOf(RuntimeUnit, "", "unknown/NotAsked")
	unit.Store(&Unit{Name: "containerd.service", KillMode: "process", Restarts: 40})
	r.awaitOf(RuntimeUnit, "", "ok")
	unit.Store(&Unit{Name: "containerd.service", KillMode: "process", Restarts: 45})
	r.awaitOf(RuntimeUnit, "", "failing/RestartsOften")
}

func TestNameReservedComesAndGoes(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	r := start(t, quick(fake, t), Hooks{})
	r.awaitOf(PodNames, "", "ok")
	id := sandbox(t, r, "twin")
	clear := fake.Fail("RunPodSandbox", status.Error(codes.Unknown, `failed to reserve sandbox name "x_0": name "x_0" is reserved for "`+id+`"`), 1)
	defer clear()
	if _, err := r.CRI().RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: "x"}}}); err == nil {
		t.Fatal("the fault did not strike")
	}
	r.awaitOf(PodNames, "x_0", "failing/Reserved")
	if _, err := r.CRI().RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		t.Fatal(err)
	}
	r.awaitOf(PodNames, "", "ok")
}

func TestJudgeWatch(t *testing.T) {
	d := &detailsSeen{polls: syscall.EMFILE}
	if got := word(d.judgeWatch()[0]); got != "failing/InotifyUsedUp" {
		t.Error(got)
	}
	d.polls = syscall.ENOSYS
	if got := word(d.judgeWatch()[0]); got != "failing/NotWatched" {
		t.Error(got)
	}
}

// word1 is a condition's word of the moment.
func word1(r *rig, c *health.Condition) string {
	for _, st := range r.board.Snapshot().States() {
		if st.Condition == c {
			e := st.Worst()
			return word(health.Finding{Status: e.Status, Reason: e.Reason})
		}
	}
	return ""
}

// stateIs accepts any of some words of a condition.
func stateIs(c *health.Condition, words ...string) func(health.Snapshot) bool {
	return func(s health.Snapshot) bool {
		for _, st := range s.States() {
			if st.Condition == c {
				e := st.Worst()
				return slices.Contains(words, word(health.Finding{Status: e.Status, Reason: e.Reason}))
			}
		}
		return false
	}
}

func TestCanaryComesAndGoes(t *testing.T) {
	fake := crifake.New(crifake.Options{Images: []crifake.Image{{Name: "registry.k8s.io/pause:3.10", Present: true}}})
	fake.OnExec(func(crifake.Exec) crifake.ExecResult { return crifake.ExecResult{} })
	cfg := quick(fake, t)
	r := start(t, cfg, Hooks{})
	r.awaitOf(RuntimeCanary, "", "absent")
	r.configure(func(c *Config) {
		c.Canary = CanaryConfig{Every: 20 * time.Millisecond, Dir: t.TempDir(), Program: "/program", CgroupParent: "/test"}
	})
	r.awaitOf(RuntimeCanary, "runc", "ok")
	clear := fake.Fail("StartContainer", status.Error(codes.Unknown, "no such runtime"), -1)
	r.awaitOf(RuntimeCanary, "runc", "failing/Failed")
	clear()
	r.awaitOf(RuntimeCanary, "runc", "ok")
	results, ok := r.Canary.Get()
	if !ok || len(results) != 1 || len(results[0].Steps) != 6 || results[0].At.IsZero() {
		t.Errorf("view %+v", results)
	}
	clear = fake.Fail("StartContainer", status.Error(codes.Unknown, "no such runtime"), -1)
	defer clear()
	r.awaitOf(RuntimeCanary, "runc", "failing/Failed")
	r.configure(func(c *Config) { c.Canary.Every = 0 })
	r.awaitOf(RuntimeCanary, "", "absent")
	if results, _ := r.Canary.Get(); len(results) != 0 {
		t.Errorf("switched off, and still shown: %+v", results)
	}
	r.configure(func(c *Config) { c.Canary.Every = time.Hour }) // on again: one is run at once
	r.awaitOf(RuntimeCanary, "runc", "failing/Failed")
}
