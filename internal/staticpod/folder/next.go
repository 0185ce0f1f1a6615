package folder

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/staticpod/manifest"
)

// Kept is what was accepted so far. It survives the agent; the parsed pods are made again from the bytes.
type Kept struct {
	Path     string            `json:"path"`
	Identity Identity          `json:"identity"`
	Boot     string            `json:"boot"`             // in which the folder was last read well
	Owners   map[string]string `json:"owners,omitempty"` // pod key -> the file that has it
	Files    map[string]Last   `json:"-"`                // by base name; stored one by one

	busy map[string]time.Time // by base name: open for writing since
}

// Last is the last good content of one file.
type Last struct {
	File  string    `json:"file"`
	Bytes []byte    `json:"bytes"`
	Keys  []string  `json:"keys"` // of its pods, for the day on which the bytes are no longer understood
	Held  bool      `json:"held"` // its file went away in a way that does not count as removing it
	At    time.Time `json:"at"`   // when it was accepted

	pods   []manifest.Pod
	wrong  []byte             // newer bytes that were refused
	faulty []manifest.Problem // of those
	warn   []manifest.Problem
}

// Stance says what may be done with a wanted pod.
type Stance uint8

// The stances.
const (
	Follow Stance = iota // run it as the manifest says
	Keep                 // its file is gone or bad: run the last good version
	Freeze               // neither start nor stop anything of it
)

// Wanted is one pod that should be there.
type Wanted struct {
	Pod    manifest.Pod
	File   string
	Stance Stance
	Why    string // for Keep and Freeze
}

// Kind of a note: what is to be said about a file, or about the folder itself.
type Kind uint8

// The kinds of notes.
const (
	Invalid      Kind = iota // does not parse or validate
	Unreadable               // a file that can't be read
	NameIgnored              // a backup or editor's name
	Duplicate                // another file has this pod already
	BeingWritten             // open for writing for longer than a copy takes
	Warning                  // accepted, with something ignored
	Gone                     // kept although the file is gone
	FolderMissing
	FolderUnreadable
	FolderReplaced // another folder lies, or is mounted, at the path
	FolderEmptied  // from several files to none in one read
)

// Note is one thing to be said.
type Note struct {
	Kind    Kind
	File    string // base name; empty: the folder
	Message string
}

// Desired is the outcome of a reading.
type Desired struct {
	Pods  map[string]Wanted // by key, namespace/name
	Notes []Note
	Files int // candidates in the folder
}

const writing = 5 * time.Second // a file open for longer is said

// Options of Next.
type Options struct {
	Boot  string // the kernel's boot id
	Prune bool   // a person asked to let go what is held
	Parse func(file string, b []byte) manifest.Result
	Now   time.Time
}

// Next makes what is accepted now from what was accepted before and one reading.
//
// A pod goes only when its file is seen to be gone from the folder it was read from. Where the folder is missing, unreadable,
// another one than before, or lost several files down to none in one reading, what runs is kept; after a boot nothing runs, and
// nothing is started from a folder that is not there.
func Next(prev Kept, l Listing, o Options) (Kept, Desired) {
	d := Desired{Pods: map[string]Wanted{}}
	booted := prev.Boot != o.Boot
	if l.Err != nil {
		kind, what := FolderUnreadable, "can't be read"
		if l.Missing {
			kind, what = FolderMissing, "is missing"
		}
		d.Notes = append(d.Notes, Note{Kind: kind, Message: l.Err.Error()})
		d.keep(prev, booted, "the manifest folder "+what)
		return prev, d
	}

	next := Kept{Path: l.Path, Identity: l.Identity, Boot: o.Boot, Owners: map[string]string{}, Files: map[string]Last{}, busy: map[string]time.Time{}}
	d.Files = countCandidates(l)
	known := prev.Path == l.Path && prev.Identity != Identity{}
	replaced := known && !booted && prev.Identity != l.Identity
	several := len(prev.Files) > 1 || (booted && prev.Identity != l.Identity)
	emptied := known && len(prev.Files) > 0 && several && d.Files == 0

	for name, last := range prev.Files {
		if _, there := l.Files[name]; there && l.Files[name].Ignored == "" {
			continue
		}
		if prev.Path != l.Path || o.Prune || !(replaced || emptied || last.Held) {
			continue // gone: the pod is let go
		}
		last.Held = true
		next.Files[name] = last
		d.Notes = append(d.Notes, Note{Kind: Gone, File: name, Message: "its file is gone and its pods are kept: " + strings.Join(last.Keys, ", ")})
	}
	if held := len(next.Files); held > 0 {
		switch {
		case emptied:
			d.Notes = append(d.Notes, Note{Kind: FolderEmptied, Message: fmt.Sprintf("%s went from %d files to none at once; their pods are kept", l.Path, len(prev.Files))})
		case replaced:
			d.Notes = append(d.Notes, Note{Kind: FolderReplaced, Message: fmt.Sprintf("another folder is at %s (mounted, unmounted or made again); the pods of %d missing files are kept", l.Path, held)})
			next.Identity = prev.Identity // not accepted while anything is missing in it
		}
		if booted {
			next.Boot = prev.Boot // nothing ran since the boot: stay frozen until the files are back
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Files)) {
		if l.Files[name].Busy {
			next.busy[name] = o.Now
			if since, ok := prev.busy[name]; ok {
				next.busy[name] = since
			}
		}
		if last, ok := accept(prev.Files[name], name, l.Files[name], next.busy[name], o, &d); ok {
			next.Files[name] = last
		}
	}
	d.assign(prev, &next, booted)
	return next, d
}

func countCandidates(l Listing) (n int) {
	for _, f := range l.Files {
		if f.Ignored == "" {
			n++
		}
	}
	return n
}

// accept makes the last good content of one file that is there, and may be open for writing since a while. False: it never had any.
func accept(last Last, name string, f File, busy time.Time, o Options, d *Desired) (Last, bool) {
	had := last.File != ""
	note := func(k Kind, format string, args ...any) {
		m := fmt.Sprintf(format, args...)
		if had && (k == Invalid || k == Unreadable) {
			m += "; the last good version of " + last.At.Local().Format("2006-01-02 15:04:05") + " is kept"
		}
		d.Notes = append(d.Notes, Note{Kind: k, File: name, Message: m})
	}
	last.Held = false
	switch {
	case f.Ignored != "":
		note(NameIgnored, "%s", f.Ignored)
		return Last{}, false
	case f.Err != nil:
		note(Unreadable, "%v", f.Err)
		return last, had
	case f.Busy:
		if o.Now.Sub(busy) >= writing {
			note(BeingWritten, "open for writing since %s; it is read when it is closed", busy.Local().Format("15:04:05"))
		}
		return last, had
	}
	if had && bytes.Equal(f.Bytes, last.Bytes) && len(last.pods) > 0 {
		last.wrong, last.faulty = nil, nil
		warn(name, last.warn, d)
		return last, true
	}
	faulty := last.faulty
	if last.wrong == nil || !bytes.Equal(f.Bytes, last.wrong) {
		res := o.Parse(name, f.Bytes)
		var warnings []manifest.Problem
		faulty = nil
		for _, p := range res.Problems {
			if p.Warning {
				warnings = append(warnings, p)
			} else {
				faulty = append(faulty, p)
			}
		}
		if len(faulty) == 0 && len(res.Pods) == 0 {
			faulty = []manifest.Problem{{File: name, Line: 1, Column: 1, Message: "holds no pod", Fix: "put a Pod in it, or remove the file"}}
		}
		if len(faulty) == 0 {
			warn(name, warnings, d)
			return Last{File: name, Bytes: f.Bytes, Keys: keys(res.Pods), At: o.Now, pods: res.Pods, warn: warnings}, true
		}
	}
	text := faulty[0].String()
	if n := len(faulty); n > 1 {
		text += fmt.Sprintf(" (and %d more: nodeagent validate)", n-1)
	}
	note(Invalid, "%s", text)
	last.wrong, last.faulty = f.Bytes, faulty
	return last, had
}

func warn(name string, warnings []manifest.Problem, d *Desired) {
	if len(warnings) == 0 {
		return
	}
	text := warnings[0].String()
	if n := len(warnings); n > 1 {
		text += fmt.Sprintf(" (and %d more: nodeagent validate)", n-1)
	}
	d.Notes = append(d.Notes, Note{Kind: Warning, File: name, Message: text})
}

func keys(pods []manifest.Pod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.Key())
	}
	return out
}

// keep wants everything that was accepted before.
func (d *Desired) keep(k Kept, booted bool, why string) {
	next := Kept{Owners: map[string]string{}, Files: k.Files}
	stance := Keep
	if booted {
		stance, why = Freeze, why+" since the boot; nothing is started from it"
	}
	d.assign(k, &next, false)
	for key, w := range d.Pods {
		if w.Stance != Freeze {
			w.Stance, w.Why = stance, why
			d.Pods[key] = w
		}
	}
}

// assign gives every pod to one file: to the one that has it already, else to the first by name. A file that is held stands back behind
// one that is there.
func (d *Desired) assign(prev Kept, next *Kept, booted bool) {
	names := slices.Sorted(maps.Keys(next.Files))
	better := func(key, name, owner string) bool {
		if held := next.Files[name].Held; held != next.Files[owner].Held {
			return !held
		}
		return name == prev.Owners[key]
	}
	for _, name := range names {
		for _, key := range next.Files[name].Keys {
			if owner, ok := next.Owners[key]; !ok || better(key, name, owner) {
				next.Owners[key] = name
			}
		}
	}
	for _, name := range names {
		last := next.Files[name]
		for i, key := range last.Keys {
			if owner := next.Owners[key]; owner != name {
				d.Notes = append(d.Notes, Note{Kind: Duplicate, File: name, Message: fmt.Sprintf("pod %s is already defined by %s, which keeps it", key, owner)})
				continue
			}
			if _, twice := d.Pods[key]; twice {
				continue // the parser reports two pods of one name in one file
			}
			d.Pods[key] = wanted(last, i, booted)
		}
	}
}

func wanted(last Last, i int, booted bool) Wanted {
	w := Wanted{File: last.File}
	switch {
	case len(last.pods) != len(last.Keys):
		w.Stance, w.Why = Freeze, "its last good manifest is not understood by this version of the agent"
		return w
	case last.Held && booted:
		w.Stance, w.Why = Freeze, "its file is gone since the boot; it is not started"
	case last.Held:
		w.Stance, w.Why = Keep, "its file is gone in a way that does not count as removing it"
	case last.faulty != nil:
		w.Stance, w.Why = Keep, "its file is refused; the last good version runs"
	}
	w.Pod = last.pods[i]
	return w
}

// Restore parses what was kept, after a start of the agent.
func Restore(k Kept, parse func(file string, b []byte) manifest.Result) Kept {
	files := make(map[string]Last, len(k.Files))
	for name, last := range k.Files {
		res := parse(name, last.Bytes)
		if slices.Equal(keys(res.Pods), last.Keys) && !slices.ContainsFunc(res.Problems, func(p manifest.Problem) bool { return !p.Warning }) {
			last.pods = res.Pods
			last.warn = append(last.warn, res.Problems...)
		}
		files[name] = last
	}
	k.Files = files
	return k
}

// Same reports whether two contents need no new writing.
func (l Last) Same(o Last) bool {
	return l.File == o.File && l.Held == o.Held && l.At.Equal(o.At) && bytes.Equal(l.Bytes, o.Bytes)
}

// SameFolder reports whether what is kept of the folder itself is the same.
func (k Kept) SameFolder(o Kept) bool {
	return k.Path == o.Path && k.Identity == o.Identity && k.Boot == o.Boot && maps.Equal(k.Owners, o.Owners)
}

// Held reports whether the pods of any file are kept although it is gone.
func (k Kept) Held() bool {
	for _, l := range k.Files {
		if l.Held {
			return true
		}
	}
	return false
}
