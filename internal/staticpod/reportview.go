package staticpod

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/view"
)

// viewOf is the pod as people see it. Pure.
func viewOf(key string, want *folder.Wanted, s State, now time.Time) view.Pod {
	ns, name := splitKey(key)
	v := view.Pod{Namespace: ns, Name: name, UID: s.Memory.UID, Phase: view.PhasePending}
	if want != nil {
		v.File = want.File
	}
	for _, sb := range s.Sandboxes {
		if sb.Ready && v.IP == "" {
			v.IP = sb.IP
		}
		if sb.Ready && v.Sandbox == "" {
			v.Sandbox, v.Hash = sb.ID, sb.Hash
		}
	}
	if s.Memory.held(now) {
		v.StoppedUntil = s.Memory.Hold.Until
	}
	names := containerNames(want, s)
	ready, level, stopping := len(names) > 0, 0, false
	for _, n := range names {
		cv, isStopping := containerView(n, want, s, now)
		ready = ready && cv.Ready
		stopping = stopping || isStopping
		level = max(level, s.Memory.Containers[n].Level)
		v.Restarts += cv.Restarts
		if !cv.NextStart.IsZero() && (v.NextStart.IsZero() || cv.NextStart.Before(v.NextStart)) {
			v.NextStart = cv.NextStart
		}
		v.Containers = append(v.Containers, cv)
	}
	v.Ready = ready && !stopping
	v.Phase = phase(want, s, v, level, stopping, now)
	return v
}

// containerNames are those of the manifest, init containers first. Where nobody wants the pod, or nobody knows what it should be, what is
// there is shown.
func containerNames(want *folder.Wanted, s State) []string {
	var names []string
	if want != nil && want.Pod.Spec != nil {
		for c := range allContainers(&want.Pod.Spec.Spec) {
			names = append(names, c.Name)
		}
	}
	if len(names) > 0 {
		return names
	}
	for i := len(s.Containers) - 1; i >= 0; i-- {
		if c := s.Containers[i]; !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// standsBy reports whether a container that is made and not started waits for the end of another that was.
func standsBy(c Container, all []Container) bool {
	return slices.ContainsFunc(all, func(o Container) bool { return o.Name == c.Name && o.State != Created })
}

func containerView(name string, want *folder.Wanted, s State, now time.Time) (cv view.Container, stopping bool) {
	m := s.Memory.Containers[name]
	cv = view.Container{Name: name, State: "waiting", Attempt: int(m.Next), Restarts: m.Restarts}
	role, hooked := Main, true
	for _, c := range s.Containers {
		if c.Name != name || (c.State == Created && standsBy(c, s.Containers)) {
			continue
		}
		cv.ID, cv.Image, cv.Attempt, cv.StartedAt = c.ID, c.Image, int(c.Attempt), c.Started
		role = c.Role
		switch {
		case c.Gone:
			cv.State = "exited"
		case c.State == Running:
			cv.State, cv.PID = "running", c.PID
			cv.Ready = s.Probes[c.ID].Ready
		case c.State == Created:
			cv.State = "created"
		case c.State == Exited:
			cv.State = "exited"
		default:
			cv.State = "unknown"
		}
		hooked = m.Hooked == c.ID
		_, stopping = s.Memory.StopBy[c.ID]
		stopping = stopping && cv.State == "running"
		break
	}
	if want != nil && want.Pod.Spec != nil {
		var c *corev1.Container
		if c, role, _ = containerOf(&want.Pod.Spec.Spec, name); c != nil {
			cv.Image = c.Image
			cv.Ready = cv.Ready && (hooked || c.Lifecycle == nil || c.Lifecycle.PostStart == nil)
		}
	}
	switch role {
	case Init:
		cv.Role = "init"
		cv.Ready = m.Done && m.LastExit == 0
	case Sidecar:
		cv.Role = "sidecar"
	}
	if !m.LastAt.IsZero() {
		cv.LastExit = &view.Exit{Code: m.LastExit, Reason: m.LastWhy, At: m.LastAt}
	}
	if cv.State != "running" && !m.Done && m.NotBefore.After(now) {
		cv.NextStart = m.NotBefore
	}
	return cv, stopping
}

func phase(want *folder.Wanted, s State, v view.Pod, level int, stopping bool, now time.Time) string {
	var spec *corev1.PodSpec
	if want != nil && want.Pod.Spec != nil {
		spec = &want.Pod.Spec.Spec
	}
	runs := func(role string) bool {
		return slices.ContainsFunc(v.Containers, func(c view.Container) bool { return c.Role == role && c.State == "running" })
	}
	all := func(role string) bool {
		return !slices.ContainsFunc(v.Containers, func(c view.Container) bool { return c.Role == role && c.State != "running" })
	}
	expired, done, bad := false, false, false
	if spec != nil {
		expired, _ = s.Memory.expires(spec, now)
		done = finished(spec, s.Memory) && !runs("")
		for c := range allContainers(spec) {
			bad = bad || (s.Memory.Containers[c.Name].Done && s.Memory.Containers[c.Name].LastExit != 0)
		}
	}
	switch {
	case want == nil:
		return view.PhaseTerminating
	case !v.StoppedUntil.IsZero() && !stopping && !runs("") && !runs("sidecar") && !runs("init"):
		return view.PhaseStopped
	case expired && !runs(""), done && bad:
		return view.PhaseFailed
	case done:
		return view.PhaseSucceeded
	case stopping:
		return view.PhaseStopping
	case v.Ready:
		return view.PhaseRunning
	case !v.NextStart.IsZero() && level >= crashLevel:
		return view.PhaseCrashLoop
	case !v.NextStart.IsZero():
		return view.PhaseBackOff
	case len(pulling(s.Images)) > 0:
		return view.PhasePulling
	case len(v.Containers) > 0 && all("") && all("sidecar"):
		return view.PhaseNotReady
	case runs("init"), runs("sidecar") && !runs("") && s.Memory.Initialized == "":
		return view.PhaseInit
	case v.Restarts > 0 || hasExit(v):
		return view.PhaseRestarting
	}
	return view.PhasePending
}

func hasExit(v view.Pod) bool {
	return slices.ContainsFunc(v.Containers, func(c view.Container) bool { return c.LastExit != nil && !(c.Role == "init" && c.Ready) })
}
