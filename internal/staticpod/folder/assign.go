package folder

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nodeagent/internal/staticpod/manifest"
)

// assign gives every pod and every object to one file: to the one that has it already, else to the first by name. A file that is not there
// stands back behind one that is.
func (d *Desired) assign(prev Kept, next *Kept, booted bool) {
	names := slices.Sorted(maps.Keys(next.Files))
	for _, name := range names {
		last := next.Files[name]
		for _, key := range last.Keys {
			claim(next.Files, next.Owners, prev.Owners, key, name)
		}
		for _, o := range last.objects {
			claim(next.Files, next.Holders, prev.Holders, o.Key(), name)
		}
	}
	taken := func(name, what, owner string) {
		if !next.Files[name].missing.IsZero() {
			return // it was renamed
		}
		d.Notes = append(d.Notes, Note{Kind: Duplicate, File: name, Message: fmt.Sprintf("%s is already defined by %s, which keeps it", what, owner)})
	}
	for _, name := range names {
		last := next.Files[name]
		for _, o := range last.objects {
			if owner := next.Holders[o.Key()]; owner != name {
				taken(name, o.Key().String(), owner)
				continue
			}
			d.Objects[o.Key()] = o
		}
		for i, key := range last.Keys {
			if owner := next.Owners[key]; owner != name {
				taken(name, "pod "+key, owner)
				continue
			}
			if _, twice := d.Pods[key]; twice {
				continue // the parser reports two pods of one name in one file
			}
			d.Pods[key] = wanted(last, i, booted)
		}
	}
	d.hash(prev, next)
	d.hostPorts()
}

// claim makes name the owner of key if nobody is, or if it has the better claim.
func claim[K comparable](files map[string]Last, owners, before map[K]string, key K, name string) {
	owner, owned := owners[key]
	better := name == before[key]
	if owned && files[name].away() != files[owner].away() {
		better = files[owner].away()
	}
	if !owned || better {
		owners[key] = name
	}
}

// hash adds to a pod's hash the objects that it reads, where it asks for that. While one is missing without which it can't run, the hash
// stays what it was: a file that is taken away restarts nothing.
func (d *Desired) hash(prev Kept, next *Kept) {
	for key, w := range d.Pods {
		before, own := prev.Read[key], w.Pod.Hash
		hash, whole := w.Pod.HashWith(func(k manifest.ObjectKey) (manifest.Object, bool) { o, ok := d.Objects[k]; return o, ok })
		switch {
		case w.Stance == Freeze: // nothing is done with it, and it may be back tomorrow
			if before != "" {
				next.Read[key] = before
			}
			continue
		case !whole && strings.HasPrefix(before, own+"+"):
			hash = before
		}
		if hash != own {
			next.Read[key], w.Pod.Hash = hash, hash
			d.Pods[key] = w
		}
	}
}

func wanted(last Last, i int, booted bool) Wanted {
	w := Wanted{File: last.File}
	switch {
	case !last.known || len(last.pods) != len(last.Keys):
		w.Stance, w.Why = Freeze, "its last good manifest is not understood by this version of the agent"
		return w
	case last.Held && booted:
		w.Stance, w.Why = Freeze, "its file is gone since the boot; it is not started"
	case last.Held:
		w.Stance, w.Why = Keep, "its file is gone in a way that does not count as removing it"
	case last.faulty != nil:
		w.Stance, w.Why = Keep, "its file is refused; the last good version runs"
	case last.open:
		w.Stance, w.Why = Keep, "its file holds a Secret that others can read; the last good version runs"
	}
	w.Pod = last.pods[i]
	return w
}
