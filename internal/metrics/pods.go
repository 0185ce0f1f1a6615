package metrics

import (
	"cmp"
	"slices"
	"time"

	"nodeagent/internal/view"
)

// Limits of series of their own: kubelet's default maxPods, and more containers than a static pod has.
const (
	maxPods       = 110
	maxContainers = 20
)

var (
	podsDesc        = desc("static_pods", "Static pods by phase. A phase that no pod is in has no series.", "phase")
	podsDroppedDesc = desc("static_pods_dropped", "Static pods with no series of their own because there are more than 110; those that run are left out first.")
	runningDesc     = desc("static_pod_running", "Whether a static pod runs with all its containers: 1, 0, or -1 where it could not be found out.", "namespace", "pod")
	readyDesc       = desc("static_pod_ready", "Whether a static pod runs and its readiness probes pass: 1, 0, or -1 where it could not be found out.", "namespace", "pod")
	cpuDesc         = desc("static_pod_cpu_seconds_total", "CPU time that the processes of a static pod used, of its cgroup.", "namespace", "pod")
	throttledDesc   = desc("static_pod_cpu_throttled_seconds_total", "Time for which the CPU limit of a static pod held its processes back, of its cgroup.", "namespace", "pod")
	workingSetDesc  = desc("static_pod_memory_working_set_bytes", "Memory of a static pod without inactive page cache, of its cgroup: what counts against its limit.", "namespace", "pod")
	memLimitDesc    = desc("static_pod_memory_limit_bytes", "Memory limit of a static pod's cgroup; none where there is no limit.", "namespace", "pod")
	oomDesc         = desc("static_pod_oom_kills_total", "Processes of a static pod that the kernel killed for want of memory, of its cgroup.", "namespace", "pod")
	nextStartDesc   = desc("static_pod_next_start_timestamp_seconds", "When a static pod that is in back-off starts again.", "namespace", "pod")
	restartsDesc    = desc("static_pod_restarts_total", "Restarts of a container of a static pod.", "namespace", "pod", "container")
	exitDesc        = desc("static_pod_last_exit_code", "Exit code of a container's last end; none before the first.", "namespace", "pod", "container")
)

// phases are all of the view's.
func phases() []string {
	return []string{
		view.PhasePending, view.PhasePulling, view.PhaseInit, view.PhaseRunning, view.PhaseNotReady, view.PhaseStopped, view.PhaseRestarting, view.PhaseBackOff, view.PhaseCrashLoop,
		view.PhaseStopping, view.PhaseSucceeded, view.PhaseFailed, view.PhaseMissing, view.PhaseStale, view.PhaseDuplicate,
		view.PhaseNoManifest, view.PhaseRefused, view.PhaseUnknown, view.PhaseTerminating,
	}
}

func pods(list func() []view.Pod) func(*samples) {
	return func(s *samples) { podSamples(s, list(), time.Now()) }
}

func podSamples(s *samples, all []view.Pod, now time.Time) {
	count := map[string]int{}
	for _, p := range all {
		phase := p.Phase
		if !slices.Contains(phases(), phase) {
			phase = view.PhaseUnknown
		}
		count[phase]++
	}
	for _, phase := range phases() {
		if n := count[phase]; n > 0 {
			s.gauge(podsDesc, float64(n), phase)
		}
	}
	// Of two pods of one name the one that runs less comes first, and it alone has series.
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b view.Pod) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	if n := len(all) - maxPods; n > 0 {
		s.gauge(podsDroppedDesc, float64(n))
		all = all[:maxPods]
	}
	for _, p := range all {
		s.gauge(runningDesc, running(p), p.Namespace, p.Name)
		s.gauge(readyDesc, ready(p), p.Namespace, p.Name)
		if u := p.Usage; u != nil {
			s.counter(cpuDesc, u.CPUSeconds, p.Namespace, p.Name)
			s.counter(throttledDesc, u.ThrottledSeconds, p.Namespace, p.Name)
			s.gauge(workingSetDesc, float64(u.WorkingSet), p.Namespace, p.Name)
			s.counter(oomDesc, float64(u.OOMKills), p.Namespace, p.Name)
			if u.MemoryLimit > 0 {
				s.gauge(memLimitDesc, float64(u.MemoryLimit), p.Namespace, p.Name)
			}
		}
		if p.NextStart.After(now) {
			s.gauge(nextStartDesc, seconds(p.NextStart), p.Namespace, p.Name)
		}
		for _, c := range p.Containers[:min(len(p.Containers), maxContainers)] {
			s.counter(restartsDesc, float64(c.Restarts), p.Namespace, p.Name, c.Name)
			if c.LastExit != nil {
				s.gauge(exitDesc, float64(c.LastExit.Code), p.Namespace, p.Name, c.Name)
			}
		}
	}
}

// running is 1 for a pod in phase Running, and for one that is marked for another reason while all its containers run.
func running(p view.Pod) float64 {
	switch p.Phase {
	case view.PhaseRunning:
		return 1
	case view.PhaseNotReady, view.PhaseStale, view.PhaseDuplicate, view.PhaseNoManifest, view.PhaseStopping, view.PhaseTerminating:
		if len(p.Containers) > 0 && !slices.ContainsFunc(p.Containers, func(c view.Container) bool { return c.State != "running" && c.Role != "init" }) {
			return 1
		}
	case view.PhaseUnknown:
		return -1
	default:
		if !slices.Contains(phases(), p.Phase) {
			return -1
		}
	}
	return 0
}

// ready is what is known of it: where a pod's state is not, its readiness is not either.
func ready(p view.Pod) float64 {
	switch {
	case running(p) < 0:
		return -1
	case p.Ready:
		return 1
	}
	return 0
}

// rank orders pods from what needs a person most.
func rank(p view.Pod) int {
	switch running(p) {
	case 0:
		return 0
	case -1:
		return 1
	default:
		return 2
	}
}

// seconds since 1970, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
