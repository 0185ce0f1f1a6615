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

	// An older agent knows none of the following: it keeps nothing of objects, and reads them from the files.
	Holders map[manifest.ObjectKey]string `json:"holders,omitempty"` // the file that has an object
	Read    map[string]string             `json:"read,omitempty"`    // pod key -> its hash with the objects that it reads

	busy map[string]time.Time // by base name: open for writing since
	bad  map[string]Last      // by base name: what was refused of a file that never was good
}

// Last is the last good content of one file.
type Last struct {
	File  string    `json:"file"`
	Bytes []byte    `json:"bytes"`
	Keys  []string  `json:"keys"` // of its pods, for the day on which the bytes are no longer understood
	Held  bool      `json:"held"` // its file went away in a way that does not count as removing it
	At    time.Time `json:"at"`   // when it was accepted

	known   bool // Bytes were understood; pods and objects are theirs
	pods    []manifest.Pod
	objects []manifest.Object
	wrong   []byte             // newer bytes that were refused
	faulty  []manifest.Problem // of those
	open    bool               // newer bytes hold a Secret and lie open to others
	warn    []manifest.Problem
	seen    bool      // in the folder, by this agent
	missing time.Time // since when it is not there; zero: it is
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
	Pod    manifest.Pod // its Hash counts what it reads as well, where manifest.RestartAnnotation asks for that
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
	InsecureSecret // a file with a Secret that others may read; it is not taken
	HostPort       // two pods want one port of the node
)

// Note is one thing to be said.
type Note struct {
	Kind    Kind
	File    string // base name; empty: the folder
	Message string
}

// Desired is the outcome of a reading.
type Desired struct {
	Pods    map[string]Wanted                      // by key, namespace/name
	Objects map[manifest.ObjectKey]manifest.Object // for the pods to read; not to be changed
	Notes   []Note
	Files   int           // candidates in the folder
	Again   time.Duration // above 0: a file is missing, and its absence counts if it lasts that long
}

const writing = 5 * time.Second // a file open for longer is said

// How long a file must be missing to count as removed. install(1), git and a move from another file system remove a file and then
// write it; editors and sed -i.bak rename it to the name of a backup and then write it.
const (
	settled = 50 * time.Millisecond
	edited  = time.Second // with a backup of it beside
)

// Options of Next.
type Options struct {
	Boot  string // the kernel's boot id
	Prune bool   // a person asked to let go what is held
	Parse func(file string, b []byte) manifest.Result
	Now   time.Time
}

// Next makes what is accepted now from what was accepted before and one reading.
//
// A pod goes only when its file is seen to be gone from the folder it was read from, and to stay so. Where the folder is missing, unreadable,
// another one than before, or lost several files down to none in one reading, what runs is kept; after a boot nothing runs, and
// nothing is started from a folder that is not there.
func Next(prev Kept, l Listing, o Options) (Kept, Desired) {
	d := Desired{Pods: map[string]Wanted{}, Objects: map[manifest.ObjectKey]manifest.Object{}}
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

	next := Kept{Path: l.Path, Identity: l.Identity, Boot: o.Boot, Files: map[string]Last{}, busy: map[string]time.Time{}, bad: map[string]Last{},
		Owners: map[string]string{}, Holders: map[manifest.ObjectKey]string{}, Read: map[string]string{}}
	d.Files = countCandidates(l)
	known := prev.Path == l.Path && prev.Identity != Identity{}
	replaced := known && !booted && prev.Identity != l.Identity
	there := 0 // at the last reading
	for _, last := range prev.Files {
		if last.missing.IsZero() {
			there++
		}
	}
	several := there > 1 || (booted && prev.Identity != l.Identity)
	emptied := known && there > 0 && several && d.Files == 0

	held := 0
	for name, last := range prev.Files {
		if _, there := l.Files[name]; there && l.Files[name].Ignored == "" {
			continue
		}
		switch {
		case prev.Path != l.Path || o.Prune:
			continue
		case replaced || emptied && last.missing.IsZero() || last.Held:
			last.Held = true
			held++
			d.Notes = append(d.Notes, Note{Kind: Gone, File: name, Message: last.kept()})
		default:
			if last.missing.IsZero() {
				last.missing = o.Now
			}
			wait := last.missing.Add(l.settles(name)).Sub(o.Now)
			if !last.seen || wait <= 0 {
				continue // gone: the pod is let go
			}
			if d.Again == 0 || wait < d.Again {
				d.Again = wait
			}
		}
		next.Files[name] = last
	}
	if held > 0 {
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
		last, had := prev.Files[name]
		if !had {
			last = prev.bad[name]
		}
		last, ok := accept(last, name, l.Files[name], next.busy[name], o, &d)
		switch {
		case ok:
			next.Files[name] = last
		case last.wrong != nil:
			next.bad[name] = last
		}
	}
	d.assign(prev, &next, booted)
	return next, d
}

// settles is how long a file of this name must be missing to count as removed.
func (l Listing) settles(name string) time.Duration {
	for other, f := range l.Files {
		if f.Ignored != "" && strings.Contains(other, name) {
			return edited
		}
	}
	return settled
}

// away reports whether a file is not there and what it held counts on.
func (l Last) away() bool { return l.Held || !l.missing.IsZero() }

func countCandidates(l Listing) (n int) {
	for _, f := range l.Files {
		if f.Ignored == "" {
			n++
		}
	}
	return n
}

// keep wants everything that was accepted before.
func (d *Desired) keep(k Kept, booted bool, why string) {
	next := Kept{Owners: map[string]string{}, Holders: map[manifest.ObjectKey]string{}, Read: map[string]string{}, Files: k.Files}
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

// Restore parses what was kept, after a start of the agent.
func Restore(k Kept, parse func(file string, b []byte) manifest.Result) Kept {
	files := make(map[string]Last, len(k.Files))
	for name, last := range k.Files {
		res := parse(name, last.Bytes)
		last.known, last.pods, last.objects = false, nil, nil
		if slices.Equal(keys(res.Pods), last.Keys) && !slices.ContainsFunc(res.Problems, func(p manifest.Problem) bool { return !p.Warning }) {
			last.known, last.pods, last.objects = true, res.Pods, res.Objects
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
	return k.Path == o.Path && k.Identity == o.Identity && k.Boot == o.Boot && maps.Equal(k.Owners, o.Owners) &&
		maps.Equal(k.Holders, o.Holders) && maps.Equal(k.Read, o.Read)
}

// Held reports whether what any file held is kept although it is gone.
func (k Kept) Held() bool {
	for _, l := range k.Files {
		if l.Held {
			return true
		}
	}
	return false
}
