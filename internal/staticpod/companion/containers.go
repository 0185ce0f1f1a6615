package companion

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/view"
)

// role is what a container is in its pod.
type role uint8

const (
	roleInit role = iota
	roleSidecar
	roleMain
)

// String is the role as it is shown.
func (r role) String() string { return [...]string{"init", "sidecar", ""}[r] }

// outcome is where a container stands.
type outcome uint8

const (
	waits   outcome = iota // not there yet, or created and not started
	runs                   // also an init container that works
	looping                // runs, and is in a crash loop
	again                  // ended and starts again
	done                   // ended well for good
	broken                 // ended badly for good
	unclear                // could not be asked
)

// one is the judgement of one container.
type one struct {
	name    string
	role    role
	outcome outcome
	level   int       // restarts since the back-off began
	next    time.Time // start that a back-off holds
	until   time.Time // looping: when it is out of the loop if it runs on
	begun   bool      // a container exists in the present sandbox
	view    view.Container
}

func (o one) running() bool { return o.outcome == runs || o.outcome == looping }

// containers judges the containers of the pod's present sandbox. all are those of every sandbox of the same uid.
func (p *podJudge) containers(spec *corev1.PodSpec, current string, all []Container) []one {
	var out []one
	add := func(name string, r role, c *corev1.Container) {
		out = append(out, p.container(spec, c, name, r, current, all))
	}
	if spec == nil {
		for _, name := range namesIn(current, all) {
			r := roleMain
			if i := slices.IndexFunc(all, func(c Container) bool { return c.Name == name }); all[i].Type == "init" {
				r = roleInit
			}
			add(name, r, nil)
		}
		return out
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		r := roleInit
		if sidecar(c) {
			r = roleSidecar
		}
		add(c.Name, r, c)
	}
	for i := range spec.Containers {
		add(spec.Containers[i].Name, roleMain, &spec.Containers[i])
	}
	// kubelet removes the records of init containers once the next ones run.
	later := false
	for i := len(out) - 1; i >= 0; i-- {
		if out[i].role == roleInit && !out[i].begun && later {
			out[i].outcome, out[i].view.State = done, "exited"
		}
		later = later || out[i].begun
	}
	return out
}

func namesIn(sandbox string, all []Container) []string {
	var names []string
	for _, c := range all {
		if c.Sandbox == sandbox && c.Type != "ephemeral" && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (p *podJudge) container(spec *corev1.PodSpec, wanted *corev1.Container, name string, r role, current string, all []Container) one {
	o := one{name: name, role: r, view: view.Container{Name: name, Role: r.String(), State: "waiting"}}
	if wanted != nil {
		o.view.Image = wanted.Image
	}
	var attempts []Container
	for _, c := range all {
		if c.Name == name {
			attempts = append(attempts, c)
		}
	}
	slices.SortFunc(attempts, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Restarts, b.Restarts), a.Created.Compare(b.Created))
	})
	m := p.remember(name, attempts)
	for _, c := range attempts {
		o.view.Restarts = max(o.view.Restarts, c.Restarts)
		if s := c.Status; c.State == cri.ContainerState_CONTAINER_EXITED && s != nil && (o.view.LastExit == nil || !s.Finished.Before(o.view.LastExit.At)) {
			o.view.LastExit = &view.Exit{Code: s.Code, Reason: s.Reason, At: s.Finished}
		}
	}
	i := len(attempts) - 1
	for i >= 0 && attempts[i].Sandbox != current {
		i--
	}
	if i < 0 {
		return o // the present sandbox has none yet
	}
	c := attempts[i]
	o.begun = true
	o.view.ID, o.view.Attempt = c.ID, c.Attempt
	o.view.Image = cmp.Or(c.Wanted, o.view.Image, c.Image)
	if c.Status != nil {
		o.view.PID, o.view.StartedAt = c.Status.PID, c.Status.Started
	}
	o.level = max(c.Restarts-m.Base, 0)
	switch c.State {
	case cri.ContainerState_CONTAINER_CREATED:
		o.view.State = "created"
	case cri.ContainerState_CONTAINER_RUNNING:
		o.view.State, o.outcome = "running", runs
		if o.level >= crashLoopAfter && r != roleInit && o.view.LastExit != nil { // a count alone may be of months
			since := c.Created
			if c.Status != nil && !c.Status.Started.IsZero() {
				since = c.Status.Started
			}
			o.until = since.Add(max(steady, delay(o.level, p.in.Initial, p.in.Max)))
			if p.now.Before(o.until) {
				o.outcome = looping
			}
		}
	case cri.ContainerState_CONTAINER_EXITED:
		o.view.State, o.view.PID = "exited", 0
		switch {
		case c.Status == nil:
			o.outcome = unclear
		case r == roleInit && c.Status.Code == 0:
			o.outcome = done
		case restarts(spec, wanted, r != roleMain, c.Status.Code):
			o.outcome = again
			if d := delay(o.level, p.in.Initial, p.in.Max); d > 0 {
				o.next = c.Status.Finished.Add(d)
				o.view.NextStart = o.next
			}
		case c.Status.Code == 0:
			o.outcome = done
		default:
			o.outcome = broken
		}
	default:
		o.view.State, o.outcome = "unknown", unclear
	}
	o.view.Ready = o.running() && r != roleInit || o.outcome == done && r == roleInit
	return o
}

// remember keeps where the back-off of a container began, and puts ends not yet told on the timeline.
func (p *podJudge) remember(name string, attempts []Container) ContainerMemory {
	m, known := p.m.Containers[name]
	if len(attempts) > 0 && m.Base > attempts[len(attempts)-1].Restarts {
		m = ContainerMemory{}
	}
	for _, c := range attempts {
		s := c.Status
		if c.State != cri.ContainerState_CONTAINER_EXITED || s == nil {
			continue
		}
		// After a long run, and in the eyes of a kubelet that started later, the back-off begins with this end.
		if !s.Started.IsZero() && s.Finished.Sub(s.Started) > resetAfter || s.Finished.Before(p.in.Since) {
			m.Base = max(m.Base, c.Restarts)
		}
		if c.Restarts < m.Exits {
			continue
		}
		m.Exits = c.Restarts + 1
		if known || p.followed {
			p.exit(name, c)
		}
	}
	if len(attempts) > 0 {
		p.m.Containers[name] = m
	}
	return m
}

// summary is the pod's phase from its containers, with a sentence for people.
func summary(cs []one) (phase, message string, next time.Time) {
	count := map[outcome]int{}
	mains := 0
	var worst *one
	for i := range cs {
		c := &cs[i]
		if c.role == roleMain {
			mains++
			count[c.outcome]++
		}
		if c.outcome == again && (worst == nil || c.level > worst.level) {
			worst = c
		}
	}
	first := func(o outcome, roles ...role) *one {
		for i := range cs {
			if cs[i].outcome == o && (len(roles) == 0 || slices.Contains(roles, cs[i].role)) {
				return &cs[i]
			}
		}
		return nil
	}
	if c := first(unclear); c != nil {
		return view.PhaseUnknown, "the state of container " + c.name + " could not be read", time.Time{}
	}
	if c := first(broken, roleInit); c != nil {
		return view.PhaseFailed, fmt.Sprintf("init container %s ended with %s and is not started again", c.name, exit(c)), time.Time{}
	}
	if worst != nil {
		what := fmt.Sprintf("container %s ended with %s", worst.name, exit(worst))
		if worst.next.IsZero() {
			return view.PhaseRestarting, what + "; a kubelet starts it again at once", time.Time{}
		}
		phase = view.PhaseBackOff
		if worst.level >= crashLoopAfter {
			phase = view.PhaseCrashLoop
		}
		return phase, fmt.Sprintf("%s after %d restarts; by kubelet's back-off it starts again at %s", what, worst.view.Restarts, clock(worst.next)), worst.next
	}
	if c := first(runs, roleInit); c != nil {
		return view.PhasePending, "init container " + c.name + " runs", time.Time{}
	}
	if c := first(waits); c != nil {
		if c.view.State == "created" {
			return view.PhasePending, "container " + c.name + " is created and not started", time.Time{}
		}
		return view.PhasePending, "container " + c.name + " is not created yet", time.Time{}
	}
	if c := first(looping); c != nil {
		return view.PhaseCrashLoop, fmt.Sprintf("container %s runs after %d restarts, the last end with %s; out of the loop if it still runs at %s", c.name, c.view.Restarts, exit(c), clock(c.until)), c.until
	}
	if c := first(broken); c != nil {
		return view.PhaseFailed, fmt.Sprintf("container %s ended with %s and is not started again", c.name, exit(c)), time.Time{}
	}
	switch {
	case mains > 0 && count[done] == mains:
		return view.PhaseSucceeded, "every container ended well", time.Time{}
	case count[done] > 0:
		return view.PhaseRunning, fmt.Sprintf("%d of %d containers run, the others ended well", count[runs], mains), time.Time{}
	case mains == 0:
		return view.PhasePending, "its sandbox is ready and has no container yet", time.Time{}
	}
	return view.PhaseRunning, "", time.Time{}
}

func exit(c *one) string {
	if c.view.LastExit == nil {
		return "an unknown exit code"
	}
	return exitText(c.view.LastExit.Code, c.view.LastExit.Reason)
}

func exitText(code int, reason string) string {
	s := fmt.Sprintf("exit code %d", code)
	if reason != "" && reason != "Error" && reason != "Completed" {
		s += " (" + reason + ")"
	}
	return s
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
