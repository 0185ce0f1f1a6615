package companion

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

// Input is all that one look read.
type Input struct {
	Node       string // the node's name, lower case; empty: not known
	NodeSource string
	Folder     *Folder // nil: this kubelet takes no static pods from files
	NoFolder   string  // why there is none, and how it was looked for
	Runtime    Runtime
	Kubelet    bool          // a kubelet is installed
	Running    bool          // one is seen to run
	Since      time.Time     // from when on a kubelet could have acted; zero: not known
	FileCheck  time.Duration // kubelet's fileCheckFrequency
	Initial    time.Duration // kubelet's first wait before a restart
	Max        time.Duration // and the longest
	Unwatched  string        // why the folder is polled; empty: it is watched
}

// Judgement is what one look comes to.
type Judgement struct {
	Pods      []view.Pod // sorted by namespace and name
	Memory    Memory
	StaticPod []health.Finding
	Manifests []health.Finding
	Events    []event.Event
	Next      time.Time // when a judgement falls due with nothing changed; zero: never
}

// wanted is a pod that the folder asks for.
type wanted struct {
	file     *File
	pod      *manifest.Pod
	shadowed []string // files of the same pod that a kubelet reads before, and so does not run
}

// group is what runs under one name.
type group struct {
	foreign    bool // its name does not end in this node's name
	sandboxes  []Sandbox
	containers []Container
}

// judge compares what is wanted with what runs. It is pure: the same arguments give the same answer.
func judge(in Input, mem Memory, now time.Time) Judgement {
	j := Judgement{Memory: Memory{Pods: map[string]PodMemory{}}}
	want, refused := byName(in.Folder)
	groups := byPod(in.Runtime, in.Node)
	j.Manifests = files(in, want, len(groups) > 0 || len(mem.Pods) > 0)

	keys := map[string]bool{}
	for k := range want {
		keys[k] = true
	}
	for k, g := range groups {
		keys[k] = keys[k] || g.live()
	}
	for k, m := range mem.Pods {
		_, isRefused := refused[m.File]
		unread := in.Runtime.Err != "" || in.Folder != nil && in.Folder.Err != ""
		if m.File != "" && isRefused || unread {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if !keys[k] {
			continue
		}
		m, known := mem.Pods[k]
		p := &podJudge{in: in, key: k, now: now, want: want[k], live: groups[k], m: m.clone(), followed: known}
		p.namespace, p.name, _ = strings.Cut(k, "/")
		if p.want == nil && m.File != "" {
			p.refused = refused[m.File]
		}
		p.judge()
		j.take(p)
	}
	for _, k := range slices.Sorted(maps.Keys(mem.Pods)) {
		if m := mem.Pods[k]; !keys[k] && m.Seen {
			j.Events = append(j.Events, podEvent(now, k, "Gone", "its manifest is gone and it no longer runs"))
		}
	}
	for _, f := range slices.Sorted(maps.Keys(refused)) { // files whose pod was never known are shown by their name
		if !slices.ContainsFunc(j.Pods, func(p view.Pod) bool { return p.File == f }) {
			j.Pods = append(j.Pods, view.Pod{Name: f, File: f, Phase: view.PhaseRefused, Message: refused[f], Since: fileOf(in.Folder, f).Changed})
		}
	}
	slices.SortStableFunc(j.Pods, func(a, b view.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	if len(j.StaticPod) == 0 {
		j.StaticPod = []health.Finding{none(in, len(refused))}
	}
	return j
}

// noKubelet says how one was looked for.
const noKubelet = "no kubelet was found (no process, binary, unit, configuration or kubeconfig)"

// none is the finding where there is no static pod.
func none(in Input, refused int) health.Finding {
	f := health.Finding{Status: health.Absent}
	switch {
	case !in.Kubelet && in.Folder != nil && in.Folder.Missing && in.Runtime.Err != "":
		// A node that never had static pods; that its runtime is away is said by the runtime's own conditions.
		f.Message = noKubelet + ", and " + in.Folder.Path + " does not exist; the runtime could not be asked: " + in.Runtime.Err
	case in.Runtime.Err != "":
		f.Status, f.Reason, f.Message = health.Unknown, conditions.PodUnknown, in.Runtime.Err
	case in.Folder == nil:
		f.Message = in.NoFolder + "; the runtime has no static pod"
	case in.Folder.Err != "":
		f.Status, f.Reason, f.Message = health.Unknown, conditions.PodUnclear, in.Folder.Path+": "+in.Folder.Err
	case in.Folder.Missing:
		f.Message = in.Folder.Path + " does not exist and the runtime has no static pod"
		if !in.Kubelet {
			f.Message = noKubelet + ", " + f.Message
		}
	case refused > 0:
		f.Status, f.Reason, f.Message = health.Failing, conditions.PodRefused, fmt.Sprintf("%s holds no manifest that a kubelet accepts", in.Folder.Path)
	default:
		f.Message = "no manifest in " + in.Folder.Path + " and no static pod in the runtime"
	}
	return f
}

// byName sorts files by the pod they hold. Of two files of one pod a kubelet runs the later (kubernetes/kubernetes#136962). refused
// are the files it takes no pod from, with the first reason.
func byName(f *Folder) (map[string]*wanted, map[string]string) {
	want, refused := map[string]*wanted{}, map[string]string{}
	if f == nil || f.Err != "" {
		return want, refused
	}
	for i := range f.Files {
		file := &f.Files[i]
		if file.Kind != Regular {
			continue
		}
		pod := file.Verdict.Pod
		switch {
		case file.Err != "":
			refused[file.Name] = "could not be read: " + file.Err
			continue
		case pod == nil:
			refused[file.Name] = firstProblem(file.Verdict, false)
			continue
		}
		w := &wanted{file: file, pod: pod}
		if old := want[pod.Key()]; old != nil {
			w.shadowed = append(old.shadowed, old.file.Name)
		}
		want[pod.Key()] = w
	}
	return want, refused
}

func fileOf(f *Folder, name string) File {
	if f != nil {
		for _, x := range f.Files {
			if x.Name == name {
				return x
			}
		}
	}
	return File{}
}

// byPod gathers sandboxes and containers under namespace/name, the name without this node's.
func byPod(rt Runtime, node string) map[string]*group {
	out := map[string]*group{}
	by := map[string]*group{}
	for _, s := range rt.Sandboxes {
		name, own := s.Name, false
		if node != "" {
			name, own = strings.CutSuffix(s.Name, "-"+node)
		}
		k := s.Namespace + "/" + name
		if out[k] == nil {
			out[k] = &group{foreign: !own}
		}
		out[k].sandboxes = append(out[k].sandboxes, s)
		by[s.ID] = out[k]
	}
	for _, c := range rt.Containers {
		if g := by[c.Sandbox]; g != nil {
			g.containers = append(g.containers, c)
		}
	}
	for _, g := range out {
		slices.SortFunc(g.sandboxes, func(a, b Sandbox) int {
			return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID)) // the newest first
		})
	}
	return out
}

func (g *group) ready() []Sandbox {
	if g == nil {
		return nil
	}
	var out []Sandbox
	for _, s := range g.sandboxes {
		if s.Ready {
			out = append(out, s)
		}
	}
	return out
}

// live tells whether any of it runs.
func (g *group) live() bool {
	if g == nil {
		return false
	}
	return len(g.ready()) > 0 || slices.ContainsFunc(g.containers, Container.running)
}

// take adds the judgement of one pod.
func (j *Judgement) take(p *podJudge) {
	j.Pods = append(j.Pods, p.out)
	j.StaticPod = append(j.StaticPod, p.finding())
	j.Memory.Pods[p.key] = p.m
	j.Events = append(j.Events, p.events...)
	if !p.next.IsZero() && p.next.After(p.now) && (j.Next.IsZero() || p.next.Before(j.Next)) {
		j.Next = p.next
	}
}

func podEvent(now time.Time, key, reason, message string) event.Event {
	return event.Event{Time: now, Kind: event.KindPod, Subject: key, Reason: reason, Message: message}
}
