//go:build integration

package pods

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// resources shows what the kernel holds a container and its pod to, in which class of cgroup the pod lies, and who dies first.
func (s *suite) resources(t *testing.T, v variant) {
	s.proves(t, v, "@.resources", "@.resources.limits", "@.resources.limits.cpu", "@.resources.limits.memory", "@.resources.requests", "@.resources.requests.cpu", "@.resources.requests.memory")
	p := s.pod(t, "resources-"+v.key, v.pod("", "args: [do, hold]\nresources: {requests: {cpu: 250m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}"))
	c := p.run("main")
	shares := uint64(256) // of 1024 a core
	if _, unified := c.cgroup("cpu"); unified {
		shares = 1 + (256-2)*9999/262142 // KEP 2254, as runc 1.1 and crun 1.8 do it
	}
	got := c.held(false)
	equal(t, "the container's memory", got.memory, 64<<20)
	equal(t, "the container's cpu", got.cpu, 500)
	equal(t, "the container's shares", got.shares, shares)
	ofPod := c.held(true)
	if v.list == "containers" {
		equal(t, "the pod's memory", ofPod.memory, 64<<20)
		equal(t, "the pod's cpu", ofPod.cpu, 500)
	} else { // the other container has no limit, and so the pod has none
		equal(t, "the pod's memory", ofPod.memory, -1)
		equal(t, "the pod's cpu", ofPod.cpu, -1)
	}
	folder, _ := c.cgroup("memory")
	if !strings.Contains(folder, "burstable") {
		t.Errorf("a burstable pod's cgroup is %s", folder)
	}
	// 1000 less the share of the machine's memory that it asked for (pkg/kubelet/qos/policy.go).
	if score := c.score(); score < 900 || score > 999 {
		t.Errorf("a burstable container's oom_score_adj is %d", score)
	}
}

// score is the process's oom_score_adj.
func (c proc) score() int {
	c.t().Helper()
	n, err := strconv.Atoi(strings.TrimSpace(c.file("oom_score_adj")))
	if err != nil {
		c.t().Fatal(err)
	}
	return n
}

// classes shows the two other classes, and what a critical pod's name of priority does.
func (s *suite) classes(t *testing.T) {
	s.proves(t, none, "spec.priorityClassName")
	guaranteed := "args: [do, hold]\nresources: {limits: {cpu: 100m, memory: 32Mi}}"
	c := s.pod(t, "guaranteed", simple("", guaranteed)).run("main")
	folder, _ := c.cgroup("memory")
	if strings.Contains(folder, "burstable") || strings.Contains(folder, "besteffort") || !strings.Contains(folder, "kubepods") {
		t.Errorf("a guaranteed pod's cgroup is %s", folder)
	}
	safest := lowest(t, -997)
	equal(t, "a guaranteed container's oom_score_adj", c.score(), safest)
	c = s.pod(t, "best-effort", simple("", "args: [do, hold]")).run("main")
	if folder, _ = c.cgroup("memory"); !strings.Contains(folder, "besteffort") {
		t.Errorf("a best-effort pod's cgroup is %s", folder)
	}
	equal(t, "a best-effort container's oom_score_adj", c.score(), 1000)
	c = s.pod(t, "critical", simple("priorityClassName: system-node-critical", "args: [do, hold]")).run("main")
	equal(t, "a critical container's oom_score_adj", c.score(), safest)
}

// lowest is what the kernel makes of an oom_score_adj: without CAP_SYS_RESOURCE nobody gets a lower one than its parent has, and the runtimes
// of such machines are configured to ask for no lower one.
func lowest(t *testing.T, want int) int {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	if data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0 {
		return want
	}
	b, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return max(want, own)
}

// handlers shows that the runtime gives a pod to the OCI runtime that it names.
func (s *suite) handlers(t *testing.T) {
	s.proves(t, none, "spec.runtimeClassName")
	p := s.pod(t, "handler", simple("runtimeClassName: ${HANDLER}", "args: [do, hold]"))
	c := p.run("main")
	equal(t, "the sandbox's handler", p.sandbox().RuntimeHandler, s.handler)
	answer, err := s.runtime.PodSandboxStatus(t.Context(), &cri.PodSandboxStatusRequest{PodSandboxId: p.sandbox().Id})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the handler by its status", answer.Status.RuntimeHandler, s.handler)
	if s.handlerRoot != "" { // where that OCI runtime keeps its containers
		if found, err := filepath.Glob(path.Join(s.handlerRoot, "*", c.id)); err != nil || len(found) != 1 {
			t.Errorf("%s has %v of container %s (%v)", s.handlerRoot, found, c.id, err)
		}
	}
	s.pod(t, "handler-none", simple("runtimeClassName: none-of-that", "args: [do, hold]")).message("none-of-that")
}
