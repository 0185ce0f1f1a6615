package staticpod

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/view"
)

// crashLevel is how often in a row a container ended before it is called crash-looping.
const crashLevel = 3

func itoa(n int) string { return strconv.Itoa(n) }

// deathText says in one line how a container ended and what follows.
func deathText(d Death, ran time.Duration) string {
	c := d.Container
	text := fmt.Sprintf("exited with code %d", c.ExitCode)
	if c.Reason != "" && c.Reason != "Completed" && c.Reason != "Error" {
		text += " (" + c.Reason + ")"
	}
	if ran > 0 {
		text += " after " + ran.Round(time.Millisecond).String()
	}
	if c.Message != "" {
		text += ": " + c.Message
	}
	switch {
	case d.Asked:
		text += "; it was stopped by the agent"
	case !d.Restart:
		text += "; its restartPolicy does not start it again"
	case time.Until(d.NotBefore) > 50*time.Millisecond:
		text += "; it starts again at " + d.NotBefore.Local().Format("15:04:05")
	default:
		text += "; it starts again at once"
	}
	return text
}

// show publishes the pod's view and its condition.
func (p *Pods) show(x *pod, want *folder.Wanted, r *reading, s State, why string, now time.Time) {
	if want == nil && len(r.sandboxes)+len(r.containers) == 0 {
		p.gone(x.key)
		return
	}
	v := viewOf(x.key, want, s, now)
	p.mu.Lock()
	if v.Phase != x.phase {
		x.phase, x.since = v.Phase, now
	}
	v.Since = x.since
	p.mu.Unlock()
	f := findingOf(v, s, why)
	v.Message = f.Message
	p.views.Set(x.key, v)
	p.publishPod(f)
}

// viewOf is the pod as people see it. Pure.
func viewOf(key string, want *folder.Wanted, s State, now time.Time) view.Pod {
	ns, name := splitKey(key)
	v := view.Pod{Namespace: ns, Name: name, UID: s.Memory.UID, Phase: view.PhasePending}
	var names []string
	if want != nil {
		v.File = want.File
		if want.Pod.Spec != nil {
			for _, c := range want.Pod.Spec.Spec.Containers {
				names = append(names, c.Name)
			}
		}
	}
	for _, sb := range s.Sandboxes {
		if sb.Ready && v.IP == "" {
			v.IP = sb.IP
		}
	}
	if len(names) == 0 { // nobody wants it, or nobody knows what it should be: what is there is shown
		for i := len(s.Containers) - 1; i >= 0; i-- {
			if c := s.Containers[i]; !contains(names, c.Name) {
				names = append(names, c.Name)
			}
		}
	}
	ready, level, stopping := len(names) > 0, 0, false
	for _, n := range names {
		cv, isStopping := containerView(n, want, s, now)
		ready = ready && cv.State == "running"
		stopping = stopping || isStopping
		level = max(level, s.Memory.Containers[n].Level)
		v.Restarts += cv.Restarts
		if !cv.NextStart.IsZero() && (v.NextStart.IsZero() || cv.NextStart.Before(v.NextStart)) {
			v.NextStart = cv.NextStart
		}
		v.Containers = append(v.Containers, cv)
	}
	v.Ready = ready && !stopping
	v.Phase = phase(want, s, v, level, stopping)
	return v
}

func contains(in []string, s string) bool {
	for _, x := range in {
		if x == s {
			return true
		}
	}
	return false
}

// standsBy reports whether a container that is made and not started waits for the end of another that was.
func standsBy(c Container, all []Container) bool {
	return slices.ContainsFunc(all, func(o Container) bool { return o.Name == c.Name && o.State != Created })
}

func containerView(name string, want *folder.Wanted, s State, now time.Time) (cv view.Container, stopping bool) {
	m := s.Memory.Containers[name]
	cv = view.Container{Name: name, State: "waiting", Attempt: int(m.Next), Restarts: m.Restarts}
	for _, c := range s.Containers {
		if c.Name != name || (c.State == Created && standsBy(c, s.Containers)) {
			continue
		}
		cv.ID, cv.Image, cv.Attempt, cv.StartedAt = c.ID, c.Image, int(c.Attempt), c.Started
		switch {
		case c.Gone:
			cv.State = "exited"
		case c.State == Running:
			cv.State, cv.PID = "running", c.PID
		case c.State == Created:
			cv.State = "created"
		case c.State == Exited:
			cv.State = "exited"
		default:
			cv.State = "unknown"
		}
		_, stopping = s.Memory.StopBy[c.ID]
		stopping = stopping && cv.State == "running"
		break
	}
	if want != nil && want.Pod.Spec != nil {
		for _, c := range want.Pod.Spec.Spec.Containers {
			if c.Name == name {
				cv.Image = c.Image
			}
		}
	}
	if !m.LastAt.IsZero() {
		cv.LastExit = &view.Exit{Code: m.LastExit, Reason: m.LastWhy, At: m.LastAt}
	}
	if cv.State != "running" && !m.Done && m.NotBefore.After(now) {
		cv.NextStart = m.NotBefore
	}
	return cv, stopping
}

func phase(want *folder.Wanted, s State, v view.Pod, level int, stopping bool) string {
	pulling := false
	for _, im := range s.Images {
		pulling = pulling || im.Pulling
	}
	done, bad := len(v.Containers) > 0, false
	for _, c := range v.Containers {
		m := s.Memory.Containers[c.Name]
		done = done && m.Done && c.State != "running"
		bad = bad || m.LastExit != 0
	}
	switch {
	case want == nil:
		return view.PhaseTerminating
	case done && bad:
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
	case pulling:
		return view.PhasePulling
	case v.Restarts > 0 || hasExit(v):
		return view.PhaseRestarting
	}
	return view.PhasePending
}

func hasExit(v view.Pod) bool {
	for _, c := range v.Containers {
		if c.LastExit != nil {
			return true
		}
	}
	return false
}

// findingOf judges a pod. Pure.
func findingOf(v view.Pod, s State, why string) health.Finding {
	f := health.Finding{Subject: v.Namespace + "/" + v.Name, Status: health.Failing}
	switch {
	case s.Held:
		f.Reason, f.Message = conditions.PodHeld, why
		return f
	case s.Want != nil && s.Want.Stance == folder.Freeze:
		f.Reason, f.Message = conditions.PodHeld, s.Want.Why
		return f
	}
	switch v.Phase {
	case view.PhaseRunning, view.PhaseSucceeded:
		f.Status = health.OK
		if s.Want != nil && s.Want.Stance == folder.Keep {
			f.Message = s.Want.Why
		}
		return f
	case view.PhaseFailed:
		f.Reason, f.Message = conditions.PodFailed, lastExit(v)
	case view.PhaseTerminating, view.PhaseStopping:
		f.Reason, f.Message = conditions.PodStopping, "being stopped"
	case view.PhaseCrashLoop:
		f.Reason, f.Message = conditions.PodCrashLoop, lastExit(v)+", next start "+v.NextStart.Local().Format("15:04:05")
	case view.PhaseBackOff:
		f.Reason, f.Message = conditions.PodRestarting, lastExit(v)+", next start "+v.NextStart.Local().Format("15:04:05")
	case view.PhaseRestarting:
		f.Reason, f.Message = conditions.PodRestarting, lastExit(v)
	case view.PhasePulling:
		f.Reason, f.Message = conditions.PodStarting, "an image is being pulled"
	default:
		f.Reason, f.Message = conditions.PodStarting, "being started"
	}
	for name, im := range s.Images {
		if im.Error != "" && !im.Present {
			f.Reason, f.Message = conditions.PodImage, "image "+name+": "+im.Error
		}
	}
	for slot, fail := range s.Failures {
		if fail.Count > 0 && fail.Error != "" {
			what := slot.Kind
			if slot.Kind == "container" {
				what += " " + slot.Name
			}
			f.Reason, f.Message = conditions.PodError, what+": "+fail.Error
		}
	}
	f.Message = clip(f.Message)
	return f
}

func lastExit(v view.Pod) string {
	for _, c := range v.Containers {
		if c.State != "running" && c.LastExit != nil {
			text := fmt.Sprintf("container %s exited with code %d", c.Name, c.LastExit.Code)
			if c.LastExit.Reason != "" && c.LastExit.Reason != "Error" && c.LastExit.Reason != "Completed" {
				text += " (" + c.LastExit.Reason + ")"
			}
			return text
		}
	}
	return "a container does not run"
}

// validity of what a pass publishes: until two resyncs were missed.
func (p *Pods) validity() time.Duration {
	cfg := p.d.Config()
	return health.Validity(cfg.SyncFrequency, cfg.RuntimeProbeTimeout)
}

// shown is what this package last said of each pod: it is the only writer of the condition, from many passes.
type shown struct {
	mu       sync.Mutex
	findings map[string]health.Finding
}

func (p *Pods) publishPod(f health.Finding) {
	p.shown.mu.Lock()
	defer p.shown.mu.Unlock()
	first := len(p.shown.findings) == 0
	p.shown.findings[f.Subject] = f
	if first { // takes the place of the finding that there is none
		p.publishAll()
		return
	}
	p.d.Board.Publish(health.Look{Of: conditions.StaticPods, Valid: p.validity(), Partial: true, Findings: []health.Finding{f}})
}

// gone removes a pod from what is shown.
func (p *Pods) gone(key string) {
	p.views.Delete(key)
	p.shown.mu.Lock()
	defer p.shown.mu.Unlock()
	delete(p.shown.findings, key)
	p.publishAll()
}

// publishEmpty says that there is no pod.
func (p *Pods) publishEmpty() {
	p.shown.mu.Lock()
	defer p.shown.mu.Unlock()
	if len(p.shown.findings) == 0 {
		p.publishAll()
	}
}

// publishAll publishes the whole condition. It needs shown.mu.
func (p *Pods) publishAll() {
	findings := slices.Collect(maps.Values(p.shown.findings))
	if len(findings) == 0 {
		findings = []health.Finding{{Status: health.Absent, Message: "no static pod: no manifest in " + p.d.Config().Path}}
	}
	p.d.Board.Publish(health.Look{Of: conditions.StaticPods, Valid: p.validity(), Findings: findings})
}

// showUnknown says that the runtime could not be asked about a pod. What was seen last stays visible, and counts as not known.
func (p *Pods) showUnknown(x *pod, want *folder.Wanted, err error) {
	v, ok := p.views.Get(x.key)
	if !ok {
		v.Namespace, v.Name = splitKey(x.key)
		if want != nil {
			v.File = want.File
		}
	}
	v.Phase, v.Ready, v.Message = view.PhaseUnknown, false, clip(err.Error())
	p.mu.Lock()
	if x.phase != v.Phase {
		x.phase, x.since = v.Phase, time.Now()
	}
	v.Since = x.since
	p.mu.Unlock()
	p.views.Set(x.key, v)
	p.publishPod(health.Finding{Subject: x.key, Status: health.Unknown, Reason: conditions.PodUnknown, Message: v.Message})
}

func (p *Pods) showUnreadable(key string, err error) {
	p.mu.Lock()
	x := p.pod(key)
	p.mu.Unlock()
	p.showUnknown(x, nil, err)
}

// publishFolder says what is to be said about the folder and its files.
func (p *Pods) publishFolder(d *folder.Desired, blind error) {
	cfg := p.d.Config()
	valid := health.Validity(cfg.FileCheckFrequency, readBound)
	of := health.Finding{Status: health.OK, Message: cfg.Path + ": " + itoa(d.Files) + " files"}
	if blind != nil {
		of = health.Finding{Status: health.Failing, Reason: conditions.RunFolderNoEvents, Message: clip(blind.Error())}
	}
	var files []health.Finding
	said := map[string]bool{}
	for _, n := range d.Notes {
		status, reason := noteReason(n.Kind)
		if n.File == "" {
			of = health.Finding{Status: status, Reason: reason, Message: clip(n.Message)}
			continue
		}
		said[n.File] = true
		files = append(files, health.Finding{Subject: n.File, Status: status, Reason: reason, Message: clip(n.Message)})
	}
	for _, w := range d.Pods {
		if !said[w.File] {
			said[w.File] = true
			files = append(files, health.Finding{Subject: w.File, Status: health.OK})
		}
	}
	if len(files) == 0 {
		files = []health.Finding{{Status: health.Absent, Message: "no manifest in " + cfg.Path}}
	}
	p.d.Board.Publish(
		health.Look{Of: conditions.ManifestFolder, Valid: valid, Findings: []health.Finding{of}},
		health.Look{Of: conditions.Manifests, Valid: valid, Findings: files})
}

func noteReason(k folder.Kind) (health.Status, *health.Reason) {
	switch k {
	case folder.Invalid:
		return health.Failing, conditions.ManifestRejected
	case folder.Unreadable:
		return health.Failing, conditions.ManifestUnreadable
	case folder.NameIgnored:
		return health.Failing, conditions.ManifestNotOne
	case folder.Duplicate:
		return health.Failing, conditions.ManifestTaken
	case folder.BeingWritten:
		return health.Failing, conditions.ManifestWriting
	case folder.Warning:
		return health.OK, conditions.ManifestPartly
	case folder.Gone:
		return health.Failing, conditions.ManifestGone
	case folder.FolderMissing:
		return health.Failing, conditions.RunFolderMissing
	case folder.FolderUnreadable:
		return health.Failing, conditions.RunFolderUnreadable
	case folder.FolderReplaced:
		return health.Failing, conditions.RunFolderReplaced
	}
	return health.Failing, conditions.RunFolderEmptied
}
