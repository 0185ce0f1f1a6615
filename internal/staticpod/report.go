package staticpod

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

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
	case d.Why != "" && d.Restart:
		text += "; it was stopped: " + d.Why
	case !d.Restart && c.Role == Init && c.ExitCode == 0:
		text += "; it is done"
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
		if s.Want != nil {
			if expired, _ := s.Memory.expires(&s.Want.Pod.Spec.Spec, time.Now()); expired {
				f.Message = "activeDeadlineSeconds is over"
			}
		}
	case view.PhaseTerminating, view.PhaseStopping:
		f.Reason, f.Message = conditions.PodStopping, "being stopped"
	case view.PhaseCrashLoop:
		f.Reason, f.Message = conditions.PodCrashLoop, lastExit(v)+", next start "+v.NextStart.Local().Format("15:04:05")
	case view.PhaseBackOff:
		f.Reason, f.Message = conditions.PodRestarting, lastExit(v)+", next start "+v.NextStart.Local().Format("15:04:05")
	case view.PhaseRestarting:
		f.Reason, f.Message = conditions.PodRestarting, lastExit(v)
	case view.PhaseInit:
		f.Reason, f.Message = conditions.PodStarting, "its init containers are at work"
	case view.PhaseStopped:
		f.Reason, f.Message = conditions.PodStopped, "stopped by a person until "+v.StoppedUntil.Local().Format(time.DateTime)
		return f
	case view.PhaseNotReady:
		f.Reason, f.Message = conditions.PodNotReady, notReady(v, s.Probes)
	case view.PhasePulling:
		f.Reason, f.Message = conditions.PodStarting, strings.Join(pulling(s.Images), "; ")
	default:
		f.Reason, f.Message = conditions.PodStarting, "being started"
	}
	for _, name := range slices.Sorted(maps.Keys(s.Images)) { // in an order, or two that fail take turns in the message
		if im := s.Images[name]; im.Error != "" && !im.Present {
			f.Reason, f.Message = conditions.PodImage, "image "+name+": "+im.Error
			break
		}
	}
	slots := slices.SortedFunc(maps.Keys(s.Failures), func(a, b Slot) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	for _, slot := range slots {
		if fail := s.Failures[slot]; fail.Count > 0 && fail.Error != "" {
			what := slot.Kind
			if slot.Kind == "container" {
				what += " " + slot.Name
			}
			f.Reason, f.Message = conditions.PodError, what+": "+fail.Error
			break
		}
	}
	f.Message = clip(f.Message)
	return f
}

// pulling says which images are being pulled, and since when: the CRI tells nothing more of a pull.
func pulling(images map[string]ImageState) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if im := images[name]; im.pulling() {
			out = append(out, "pulling image "+name+" since "+im.PullingSince.Local().Format("15:04:05"))
		}
	}
	return out
}

// notReady names the containers whose probes do not pass.
func notReady(v view.Pod, probes map[string]ProbeState) string {
	var out []string
	for _, c := range v.Containers {
		if c.Ready {
			continue
		}
		text := "container " + c.Name + " is not ready"
		if said := probes[c.ID].Message; said != "" {
			text += ": " + said
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func lastExit(v view.Pod) string {
	for _, c := range v.Containers {
		if c.State != "running" && c.LastExit != nil && !(c.Role == "init" && c.Ready) {
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
	var want *folder.Wanted
	if w, ok := p.desired.Load().Pods[key]; ok {
		want = &w
	}
	p.showUnknown(x, want, err)
}

// publishFolder says what is to be said about the folder and its files.
func (p *Pods) publishFolder(d *folder.Desired, blind error) {
	cfg := p.d.Config()
	valid := health.Validity(cfg.FileCheckFrequency, readBound)
	of := health.Finding{Status: health.OK, Message: cfg.Path + ": " + itoa(d.Files) + " files"}
	if blind != nil {
		of = health.Finding{Status: health.Failing, Reason: conditions.RunFolderNoEvents, Message: clip(blind.Error())}
	}
	for _, n := range d.Notes {
		if n.File == "" {
			status, reason := noteReason(n.Kind)
			of = health.Finding{Status: status, Reason: reason, Message: clip(n.Message)}
		}
	}
	files := fileFindings(d)
	if len(files) == 0 {
		files = []health.Finding{{Status: health.Absent, Message: "no manifest in " + cfg.Path}}
	}
	p.d.Board.Publish(
		health.Look{Of: conditions.ManifestFolder, Valid: valid, Findings: []health.Finding{of}},
		health.Look{Of: conditions.Manifests, Valid: valid, Findings: files})
}

// fileFindings are one for each file, whatever is to be said of it: what fails comes first and gives the reason. Pure.
func fileFindings(d *folder.Desired) []health.Finding {
	var out []health.Finding
	at := map[string]int{}
	add := func(f health.Finding) {
		i, there := at[f.Subject]
		if !there {
			at[f.Subject] = len(out)
			out = append(out, f)
			return
		}
		was, message := out[i], f.Message
		if was.Status == health.OK && f.Status != health.OK {
			was.Status, was.Reason, was.Message, message = f.Status, f.Reason, f.Message, was.Message
		}
		was.Message += "; " + message
		out[i] = was
	}
	for _, n := range d.Notes {
		if n.File != "" {
			status, reason := noteReason(n.Kind)
			add(health.Finding{Subject: n.File, Status: status, Reason: reason, Message: n.Message})
		}
	}
	for i := range out {
		out[i].Message = clip(out[i].Message)
	}
	well := func(file string) {
		if _, said := at[file]; !said {
			add(health.Finding{Subject: file, Status: health.OK})
		}
	}
	for _, w := range d.Pods {
		well(w.File)
	}
	for _, o := range d.Objects {
		well(o.File)
	}
	return out
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
	case folder.HostPort:
		return health.Failing, conditions.ManifestHostPort
	case folder.InsecureSecret:
		return health.Failing, conditions.ManifestInsecure
	case folder.FolderMissing:
		return health.Failing, conditions.RunFolderMissing
	case folder.FolderUnreadable:
		return health.Failing, conditions.RunFolderUnreadable
	case folder.FolderReplaced:
		return health.Failing, conditions.RunFolderReplaced
	}
	return health.Failing, conditions.RunFolderEmptied
}
