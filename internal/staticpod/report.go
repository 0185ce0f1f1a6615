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
