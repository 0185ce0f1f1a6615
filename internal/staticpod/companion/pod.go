package companion

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/view"
)

// podJudge is the judgement of one pod in the making.
type podJudge struct {
	in              Input
	key             string
	namespace, name string
	now             time.Time
	want            *wanted // nil: the folder does not ask for it
	refused         string  // its file is there and is refused, for this reason
	live            *group  // nil: the runtime knows nothing of it
	m               PodMemory
	followed        bool // an earlier look knew it

	out    view.Pod
	status health.Status
	reason *health.Reason
	events []event.Event
	next   time.Time
}

func (c Container) running() bool { return c.State == cri.ContainerState_CONTAINER_RUNNING }

func (p *podJudge) judge() {
	was := p.m.Phase
	p.out = view.Pod{Namespace: p.namespace, Name: p.name}
	if p.want != nil {
		p.out.File = p.want.file.Name
		p.m.File, p.m.Grace = p.want.file.Name, p.grace()
	} else if p.refused != "" {
		p.out.File = p.m.File
	}
	since := p.decide()
	if p.out.Phase == view.PhaseUnknown { // not to know is no change of the pod
		return
	}
	if p.m.Phase != p.out.Phase {
		p.m.Phase, p.m.PhaseSince = p.out.Phase, p.now
	}
	if p.out.Since = p.m.PhaseSince; !since.IsZero() {
		p.out.Since = since
	}
	if p.followed && was != p.out.Phase {
		p.transition(was)
	}
}

// decide fills what is shown; it returns since when, where that is known better than from the looks.
func (p *podJudge) decide() time.Time {
	switch {
	case p.in.Runtime.Err != "":
		p.say(view.PhaseUnknown, health.Unknown, conditions.PodUnknown, p.in.Runtime.Err)
		return time.Time{}
	case p.in.Node == "":
		p.say(view.PhaseUnknown, health.Unknown, conditions.PodUnclear, "this node's name is not known; set nodeName")
		return time.Time{}
	case p.in.Folder != nil && p.in.Folder.Err != "":
		p.present(nil)
		p.say(view.PhaseUnknown, health.Unknown, conditions.PodUnclear, p.in.Folder.Path+": "+p.in.Folder.Err)
		return time.Time{}
	case p.want == nil:
		return p.unwanted()
	case !p.live.live():
		return p.down()
	}
	p.m.Down, p.m.Orphan, p.m.Seen = time.Time{}, time.Time{}, true
	if ready := p.live.ready(); len(ready) > 1 {
		p.present(&p.want.pod.Spec.Spec)
		p.say(view.PhaseDuplicate, health.Failing, conditions.PodDuplicate, fmt.Sprintf("%d sandboxes of it are ready: %s", len(ready), ids(ready)))
		return time.Time{}
	}
	current, cs := p.present(&p.want.pod.Spec.Spec)
	phase, message, next := summary(cs)
	p.wake(next)
	p.shown(phase, message, current, cs)
	since := p.stale(current)
	if len(p.want.shadowed) > 0 {
		also := fmt.Sprintf("also in %s; a kubelet runs the last by name, %s", strings.Join(p.want.shadowed, ", "), p.want.file.Name)
		if p.out.Message = join(p.out.Message, also); p.status == health.OK {
			p.say(view.PhaseDuplicate, health.Failing, conditions.PodDuplicate, p.out.Message)
		}
	}
	return since
}

// present fills in what runs and judges its containers.
func (p *podJudge) present(spec *corev1.PodSpec) (Sandbox, []one) {
	if p.live == nil || len(p.live.sandboxes) == 0 {
		return Sandbox{}, nil
	}
	current := p.live.sandboxes[0]
	if ready := p.live.ready(); len(ready) > 0 {
		current = ready[0]
	}
	p.identify(current)
	uids := map[string]string{}
	for _, s := range p.live.sandboxes {
		uids[s.ID] = s.UID
	}
	var mine []Container
	for _, c := range p.live.containers {
		if uids[c.Sandbox] == current.UID {
			mine = append(mine, c)
		}
	}
	cs := p.containers(spec, current.ID, mine)
	p.out.UID, p.out.IP = current.UID, current.IP
	p.out.Containers = nil
	p.out.Restarts = 0
	mains, running := 0, 0
	for _, c := range cs {
		p.out.Containers = append(p.out.Containers, c.view)
		p.out.Restarts += c.view.Restarts
		if !c.next.IsZero() && (p.out.NextStart.IsZero() || c.next.Before(p.out.NextStart)) {
			p.out.NextStart = c.next
		}
		if c.role == roleMain {
			mains++
			if c.running() {
				running++
			}
		}
	}
	p.out.Ready = current.Ready && mains > 0 && running == mains
	return current, cs
}

// identify follows the kubelet's uid: another one is another pod to it, whose restarts count from nought.
func (p *podJudge) identify(current Sandbox) {
	if p.m.UID == current.UID {
		return
	}
	if p.m.UID != "" {
		p.m.Containers = map[string]ContainerMemory{}
		p.events = append(p.events, podEvent(p.now, p.key, "Replaced", "its kubelet replaced it with a new one"))
	}
	p.m.UID, p.m.Hash, p.m.Print = current.UID, "", ""
}

// shown maps the containers' phase to a status.
func (p *podJudge) shown(phase, message string, current Sandbox, cs []one) {
	status, reason := health.Failing, (*health.Reason)(nil)
	switch phase {
	case view.PhaseRunning:
		status = health.OK
		if slices.ContainsFunc(cs, func(c one) bool { return c.outcome == broken }) {
			status, reason = health.Failing, conditions.PodFailed
		}
	case view.PhaseSucceeded:
		status = health.OK
	case view.PhaseRestarting, view.PhaseBackOff:
		reason = conditions.PodRestarting
	case view.PhaseCrashLoop:
		reason = conditions.PodCrashLoop
	case view.PhaseFailed:
		reason = conditions.PodFailed
	case view.PhaseUnknown:
		status, reason = health.Unknown, conditions.PodUnknown
	default:
		reason = conditions.PodNotStarted
		if !current.Created.IsZero() {
			message += "; its sandbox was made at " + clock(current.Created)
		}
	}
	p.say(phase, status, reason, message)
}

// down judges a pod that the folder asks for and of which nothing runs.
func (p *podJudge) down() time.Time {
	p.m.Orphan, p.m.Changed = time.Time{}, time.Time{}
	if p.live != nil { // the records of what ran
		_, cs := p.present(&p.want.pod.Spec.Spec)
		phase, message, _ := summary(cs)
		switch phase {
		case view.PhaseSucceeded, view.PhaseFailed:
			p.m.Down = time.Time{}
			p.shown(phase, message, Sandbox{}, cs)
			return time.Time{}
		case view.PhaseUnknown:
			p.shown(phase, message, Sandbox{}, cs)
			return time.Time{}
		}
		p.out.NextStart = time.Time{} // without a sandbox no back-off holds it
		for i := range p.out.Containers {
			p.out.Containers[i].NextStart = time.Time{}
		}
	}
	if p.m.Down.IsZero() {
		p.m.Down = p.now
		if !p.followed { // the first look: since the file is there, a kubelet could have read it, and what ran has ended
			since := latest(p.want.file.Changed, p.in.Since)
			for _, c := range p.out.Containers {
				if c.LastExit != nil {
					since = latest(since, c.LastExit.At)
				}
			}
			p.m.Down = earliest(p.now, since)
		}
	}
	what := "nothing of it runs since " + clock(p.m.Down)
	if p.live == nil {
		what = "its kubelet has made no sandbox for it since " + clock(p.m.Down)
	}
	if other := p.elsewhere(); other != "" {
		what += "; " + other
	}
	if !p.in.Running {
		what += "; no kubelet is seen to run"
	}
	if due := p.m.Down.Add(p.in.FileCheck + grace); p.now.Before(due) {
		p.wake(due)
		p.say(view.PhasePending, health.Failing, conditions.PodNotStarted, what)
	} else {
		p.say(view.PhaseMissing, health.Failing, conditions.PodMissing, what)
	}
	if len(p.want.shadowed) > 0 {
		p.out.Message += "; also in " + strings.Join(p.want.shadowed, ", ")
	}
	return p.m.Down
}

// elsewhere tells of a static pod of this name on another node name: the name we go by may be the wrong one.
func (p *podJudge) elsewhere() string {
	for _, s := range p.in.Runtime.Sandboxes {
		if s.Ready && s.Namespace == p.namespace && strings.HasPrefix(s.Name, p.name+"-") && !strings.HasSuffix(s.Name, "-"+p.in.Node) {
			return fmt.Sprintf("%s runs, but this node is %s (%s): set nodeName if that is wrong", s.Name, p.in.Node, p.in.NodeSource)
		}
	}
	return ""
}

// unwanted judges a pod that runs, or ran, while no accepted manifest asks for it.
func (p *podJudge) unwanted() time.Time {
	p.m.Down, p.m.Changed = time.Time{}, time.Time{}
	live := p.live.live()
	current, cs := p.present(nil)
	if live && current.Source == "http" { // its manifest is not a file
		p.m.Seen = true
		phase, message, next := summary(cs)
		p.wake(next)
		p.shown(phase, message, current, cs)
		return time.Time{}
	}
	if p.refused != "" {
		p.m.Seen = p.m.Seen || live
		p.say(view.PhaseRefused, health.Failing, conditions.PodRefused, "its manifest is refused, so that a kubelet removes it: "+p.refused)
		return time.Time{}
	}
	if p.m.Orphan.IsZero() {
		p.m.Orphan = p.now
		if f := p.in.Folder; !p.m.Seen && f != nil && !f.Changed.IsZero() { // not later than the folder's last change
			p.m.Orphan = earliest(p.now, f.Changed)
		}
	}
	p.m.Seen, p.m.File, p.m.Hash, p.m.Print = true, "", "", ""
	what := "its manifest is gone since " + clock(p.m.Orphan)
	if p.live.foreign {
		what = fmt.Sprintf("its name does not end in this node's, %s (%s)", p.in.Node, p.in.NodeSource)
	} else if p.in.Folder == nil {
		what = p.in.NoFolder
	}
	stop := p.m.Grace
	if stop == 0 {
		stop = corev1.DefaultTerminationGracePeriodSeconds * time.Second
	}
	if due := p.m.Orphan.Add(p.in.FileCheck + grace + stop); p.now.Before(due) {
		p.wake(due)
		p.say(view.PhaseTerminating, health.Absent, nil, what+"; a kubelet stops it")
	} else {
		if live { // the agent touches no pod of a kubelet: a person may
			what += "; its kubelet has not stopped it, and `crictl stopp " + shortID(current.ID) + "` does"
		}
		p.say(view.PhaseNoManifest, health.Failing, conditions.PodNoManifest, what)
	}
	return p.m.Orphan
}

// shortID is enough of an id for crictl.
func shortID(id string) string { return id[:min(len(id), 13)] }

// stale judges whether what runs is of the manifest's present content.
func (p *podJudge) stale(current Sandbox) time.Time {
	pod := p.want.pod
	proof := differences(pod.Spec, p.current(current.ID))
	print := fingerprint(pod.Spec)
	same := pod.Hash == p.m.Hash || print == p.m.Print
	switch {
	case len(proof) > 0:
	case p.m.Hash == "" || same || pod.Spec.UID != "": // a uid the manifest itself gives says nothing
		p.m.Hash, p.m.Print, p.m.Changed = pod.Hash, print, time.Time{}
		return time.Time{}
	default:
		proof = []string{"the manifest's content changed and its kubelet still runs the pod by the uid of the one before"}
	}
	if p.m.Changed.IsZero() {
		p.m.Changed = p.now
		if c := p.want.file.Changed; !c.IsZero() {
			p.m.Changed = earliest(p.now, latest(c, p.in.Since))
		}
	}
	what := strings.Join(proof, "; ")
	if due := p.m.Changed.Add(p.in.FileCheck + grace + p.grace()); p.now.Before(due) {
		p.wake(due)
		p.out.Message = join(p.out.Message, "its manifest changed at "+clock(p.m.Changed)+"; a kubelet replaces it")
		return time.Time{}
	}
	p.say(view.PhaseStale, health.Failing, conditions.PodStale, what+", since "+clock(p.m.Changed))
	return p.m.Changed
}

// current are the containers that run in a sandbox.
func (p *podJudge) current(sandbox string) []Container {
	var out []Container
	for _, c := range p.live.containers {
		if c.Sandbox == sandbox && c.running() {
			out = append(out, c)
		}
	}
	return out
}

func (p *podJudge) grace() time.Duration {
	if s := p.want.pod.Spec.Spec.TerminationGracePeriodSeconds; s != nil && *s >= 0 {
		return time.Duration(min(*s, 1<<31)) * time.Second
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

func (p *podJudge) say(phase string, status health.Status, reason *health.Reason, message string) {
	p.out.Phase, p.status, p.reason, p.out.Message = phase, status, reason, message
}

func (p *podJudge) wake(at time.Time) {
	if !at.IsZero() && at.After(p.now) && (p.next.IsZero() || at.Before(p.next)) {
		p.next = at
	}
}

func (p *podJudge) finding() health.Finding {
	f := health.Finding{Subject: p.key, Status: p.status, Reason: p.reason, Message: p.out.Message}
	if p.status == health.OK {
		f.Reason = nil
	}
	add := func(k, v string) {
		if v != "" {
			f.Evidence = append(f.Evidence, health.Pair{Key: k, Value: v})
		}
	}
	add("file", p.out.File)
	add("uid", p.out.UID)
	if p.out.Restarts > 0 {
		add("restarts", strconv.Itoa(p.out.Restarts))
	}
	return f
}

// told are the phases whose coming and going is on the timeline.
var told = []string{
	view.PhaseMissing, view.PhaseStale, view.PhaseCrashLoop, view.PhaseDuplicate, view.PhaseNoManifest, view.PhaseFailed, view.PhaseRefused,
}

func (p *podJudge) transition(was string) {
	switch {
	case slices.Contains(told, p.out.Phase):
		p.events = append(p.events, podEvent(p.now, p.key, p.out.Phase, p.out.Message))
	case slices.Contains(told, was) && p.out.Phase == view.PhaseRunning:
		p.events = append(p.events, podEvent(p.now, p.key, p.out.Phase, "it runs again; before: "+was))
	}
}

func (p *podJudge) exit(name string, c Container) {
	p.events = append(p.events, event.Event{
		Time: c.Status.Finished, Kind: event.KindExit, Subject: p.key, Reason: c.Status.Reason,
		Message: fmt.Sprintf("container %s ended with %s", name, exitText(c.Status.Code, c.Status.Reason)),
		Fields: map[string]string{
			"container": name, "id": c.ID, "exitCode": strconv.Itoa(c.Status.Code), "attempt": strconv.Itoa(c.Attempt),
		},
	})
}

func ids(s []Sandbox) string {
	var out []string
	for _, x := range s {
		out = append(out, x.ID[:min(len(x.ID), 13)])
	}
	return strings.Join(out, ", ")
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func earliest(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
