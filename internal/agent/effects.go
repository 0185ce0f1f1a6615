package agent

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

// What an Effect does.
const (
	Creates  = "create"  // the pod is started
	Replaces = "replace" // it is stopped and started with the new content
	Keeps    = "keep"    // it runs on, untouched
	Removes  = "remove"  // it is stopped
	Refuses  = "refuse"  // the file is not taken; what ran from it runs on
	Changes  = "change"  // of a ConfigMap or Secret
)

// Effect is one thing that a change of the manifest folder does.
type Effect struct {
	Does    string // see the constants
	Pod     string
	Object  string // "ConfigMap default/web"
	File    string // base name
	Why     string
	Changes []Change // of a pod that is replaced
}

// effects compares what is wanted before and after with what runs. Pure. given are the files it is about; nil for all.
func effects(before, after folder.Desired, runs []view.Pod, given map[string]bool) []Effect {
	about := func(files ...string) bool {
		return given == nil || slices.ContainsFunc(files, func(f string) bool { return f != "" && given[f] })
	}
	e := comparison{before: before, after: after, running: map[string]view.Pod{}}
	for _, p := range runs {
		e.running[p.Namespace+"/"+p.Name] = p
	}
	var out []Effect
	for _, n := range after.Notes {
		if n.File == "" || about(n.File) {
			if refused(n.Kind) {
				out = append(out, Effect{Does: Refuses, File: n.File, Why: n.Message})
			}
		}
	}
	changed := changedObjects(before, after)
	keys := map[string]bool{}
	for _, m := range []map[string]folder.Wanted{before.Pods, after.Pods} {
		for key := range m {
			keys[key] = true
		}
	}
	for key := range e.running {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		f, does := e.pod(key)
		if does && (about(before.Pods[key].File, after.Pods[key].File, f.File) || f.Does == Replaces) {
			out = append(out, f)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(changed), func(a, b manifest.ObjectKey) int { return cmp.Compare(a.String(), b.String()) }) {
		f := e.object(key)
		if about(f.File, before.Objects[key].File) {
			out = append(out, f)
		}
	}
	return out
}

// refused tells whether a note says that a file, or the change of the folder, is not taken.
func refused(k folder.Kind) bool {
	return !slices.Contains([]folder.Kind{folder.Warning, folder.Gone}, k)
}

type comparison struct {
	before, after folder.Desired
	running       map[string]view.Pod
}

// pod is what becomes of one; false where nothing is to be said of it.
func (e comparison) pod(key string) (Effect, bool) {
	old, was := e.before.Pods[key]
	now, is := e.after.Pods[key]
	shown, known := e.running[key]
	known = known && shown.Phase != view.PhaseRefused
	f := Effect{Pod: key, File: cmp.Or(now.File, old.File, shown.File)}
	switch {
	case is && now.Stance != folder.Follow:
		f.Does, f.Why = Keeps, now.Why
	case is && !known:
		f.Does = Creates
	case is:
		hash := cmp.Or(shown.Hash, old.Pod.Hash)
		if hash == now.Pod.Hash {
			f.Does, f.Why = Keeps, "the content is the same"
			break
		}
		f.Does, f.Why = Replaces, "it is stopped within its grace period and started with the new content"
		if own, _, _ := strings.Cut(hash, "+"); own == now.Pod.Hash || strings.HasPrefix(now.Pod.Hash, own+"+") {
			f.Why = "it asks for a restart when what it reads as environment changes"
		} else if was && old.Pod.Hash == hash {
			f.Changes = differences(old.Pod.Spec, now.Pod.Spec)
		}
	case !known:
		return f, false
	case was:
		f.Does, f.Why = Removes, "it is in no file then, and is stopped within its grace period"
	case fileIn(e.after, f.File):
		f.Does, f.Why = Keeps, "its file is not taken; the last good version runs on"
	case shown.Phase == view.PhaseTerminating || shown.Phase == view.PhaseStopping:
		f.Does, f.Why = Removes, "it is being stopped already"
	default:
		f.Does, f.Why = Keeps, "its file is gone already and it is kept; `nodeagent pods prune` lets it go"
	}
	if !shown.StoppedUntil.IsZero() && f.Does != Removes {
		f.Why = strings.TrimPrefix(f.Why+"; a person stopped it until "+shown.StoppedUntil.Local().Format("2006-01-02 15:04"), "; ")
	}
	return f, true
}

// fileIn tells whether something is said of a file.
func fileIn(d folder.Desired, file string) bool {
	return slices.ContainsFunc(d.Notes, func(n folder.Note) bool { return n.File == file && refused(n.Kind) })
}

func changedObjects(before, after folder.Desired) map[manifest.ObjectKey]bool {
	out := map[manifest.ObjectKey]bool{}
	for k, o := range after.Objects {
		if was, ok := before.Objects[k]; !ok || was.Hash != o.Hash {
			out[k] = true
		}
	}
	for k := range before.Objects {
		if _, ok := after.Objects[k]; !ok {
			out[k] = true
		}
	}
	return out
}

// object is what a ConfigMap or Secret that changes does to the pods that read it.
func (e comparison) object(key manifest.ObjectKey) Effect {
	was, had := e.before.Objects[key]
	is, has := e.after.Objects[key]
	f := Effect{Object: key.String(), File: cmp.Or(is.File, was.File), Does: Changes}
	switch {
	case !had:
		f.Does = Creates
	case !has:
		f.Does = Removes
	}
	var files, restart, stale []string
	for _, name := range slices.Sorted(maps.Keys(e.after.Pods)) {
		w := e.after.Pods[name]
		if w.Pod.Spec == nil {
			continue
		}
		for _, r := range manifest.References(w.Pod.Spec) {
			switch {
			case r.Key != key:
			case !r.Env && !r.SubPath:
				files = append(files, name)
			case w.Pod.Spec.Annotations[manifest.RestartAnnotation] == "true":
				restart = append(restart, name)
			default:
				stale = append(stale, name)
			}
		}
	}
	var said []string
	say := func(pods []string, what string) {
		if len(pods) > 0 {
			said = append(said, what+": "+strings.Join(pods, ", "))
		}
	}
	switch {
	case !has:
		say(slices.Concat(files, restart, stale), "run on with what they have, and can't start again without it")
	default:
		say(files, "seen in mounted files, without a restart")
		say(restart, "restarted, as they ask for")
		say(stale, "seen only after a restart, for it is read as environment or through a subPath (the annotation "+manifest.RestartAnnotation+" asks for one)")
	}
	f.Why = cmp.Or(strings.Join(said, "; "), "no pod reads it")
	return f
}
