package folder

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/staticpod/manifest"
)

// A test's manifests: words that are pods of namespace default, with their version behind a colon, or ConfigMaps with an @ in front; "bad" is
// a syntax error and "" no pod.
func parse(file string, b []byte) manifest.Result {
	var r manifest.Result
	for w := range strings.FieldsSeq(string(b)) {
		if w == "bad" {
			return manifest.Result{Problems: []manifest.Problem{{File: file, Line: 3, Message: "is bad"}}}
		}
		name, version, _ := strings.Cut(w, ":")
		if name == "warn" {
			r.Problems = append(r.Problems, manifest.Problem{File: file, Line: 1, Message: "ignored", Warning: true})
			continue
		}
		if object, ok := strings.CutPrefix(name, "@"); ok {
			r.Objects = append(r.Objects, manifest.Object{File: file, Kind: "ConfigMap", Namespace: "default", Name: object, Hash: "v1:" + version})
			continue
		}
		r.Pods = append(r.Pods, manifest.Pod{File: file, Namespace: "default", Name: name, Hash: "v1:" + version})
	}
	return r
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// step is one reading of the folder.
type step struct {
	files   string // "name=content" separated by commas; content ?busy, ?err and ?name for what can't be read
	inode   uint64 // of the folder; 0 means 1
	missing bool
	broken  bool
	boot    string // empty: the first
	path    string
	prune   bool
	restart bool          // the agent was started again before
	after   time.Duration // since the last one; 0: a second

	pods  string // wanted afterwards: "name:version@file", sorted, with ! for Keep and # for Freeze
	notes string // "kind file", sorted
}

func listing(s step) Listing {
	l := Listing{Path: "/m", Identity: Identity{Dev: 1, Ino: max(s.inode, 1)}, Files: map[string]File{}}
	if s.path != "" {
		l.Path = s.path
	}
	switch {
	case s.missing:
		l.Err, l.Missing = errors.New("no such folder"), true
	case s.broken:
		l.Err = errors.New("input/output error")
	}
	for f := range strings.SplitSeq(s.files, ",") {
		name, content, ok := strings.Cut(f, "=")
		if !ok {
			continue
		}
		switch content {
		case "?busy":
			l.Files[name] = File{Busy: true}
		case "?err":
			l.Files[name] = File{Err: errors.New("permission denied")}
		case "?name":
			l.Files[name] = File{Ignored: "a backup copy"}
		default:
			l.Files[name] = File{Bytes: []byte(content)}
		}
	}
	return l
}

func shown(d Desired) string {
	var out []string
	for key, w := range d.Pods {
		_, name, _ := strings.Cut(key, "/")
		mark := map[Stance]string{Follow: "", Keep: "!", Freeze: "#"}[w.Stance]
		out = append(out, fmt.Sprintf("%s:%s@%s%s", name, strings.TrimPrefix(w.Pod.Hash, "v1:"), w.File, mark))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

var kindNames = map[Kind]string{Invalid: "invalid", Unreadable: "unreadable", NameIgnored: "name", Duplicate: "duplicate", BeingWritten: "writing",
	Warning: "warning", Gone: "gone", FolderMissing: "missing", FolderUnreadable: "broken", FolderReplaced: "replaced", FolderEmptied: "emptied", InsecureSecret: "insecure"}

func said(d Desired) string {
	var out []string
	for _, n := range d.Notes {
		out = append(out, strings.TrimSpace(kindNames[n.Kind]+" "+n.File))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// settle reads as often as Next asks for it, with nothing changed in the folder.
func settle(kept Kept, l Listing, o Options) (Kept, Desired) {
	kept, d := Next(kept, l, o)
	for range 3 {
		if d.Again <= 0 {
			break
		}
		o.Now, o.Prune = o.Now.Add(d.Again), false
		kept, d = Next(kept, l, o)
	}
	return kept, d
}

// Many programs that write a file take the old one away first. Nothing ends for that, and nothing is said.
func TestAFileThatIsMissingForAMoment(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"written anew", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "b=b:1", pods: "a:1@a b:1@b"},
			{files: "b=b:1", after: 49 * time.Millisecond, pods: "a:1@a b:1@b"},
			{files: "a=?busy,b=b:1", after: 20 * time.Millisecond, pods: "a:1@a b:1@b"},
			{files: "a=a:2,b=b:1", pods: "a:2@a b:1@b"},
			{files: "b=b:1", pods: "a:2@a b:1@b"},
			{files: "b=b:1", after: 50 * time.Millisecond, pods: "b:1@b"},
		}},
		{"an editor's way, by a backup", []step{
			{files: "a=a:1", pods: "a:1@a"},
			{files: "a~=?name", pods: "a:1@a", notes: "name a~"},
			{files: "a~=?name", after: 900 * time.Millisecond, pods: "a:1@a", notes: "name a~"},
			{files: "a=a:2,a~=?name", pods: "a:2@a", notes: "name a~"},
			{files: "a~=?name", pods: "a:2@a", notes: "name a~"},
			{files: "a~=?name", after: time.Second, notes: "name a~"},
		}},
		{"renamed: the new name has the pod at once", []step{
			{files: "a=x:1", pods: "x:1@a"},
			{files: "b=x:2", pods: "x:2@b"},
			{files: "b=x:2", after: time.Minute, pods: "x:2@b"},
		}},
		{"one after the other is no emptied folder", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "b=b:1", pods: "a:1@a b:1@b"},
			{files: "", after: 20 * time.Millisecond, pods: "a:1@a b:1@b"},
			{files: "", after: 30 * time.Millisecond, pods: "b:1@b"},
			{files: "", after: 20 * time.Millisecond},
		}},
		{"at once it is", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "", pods: "a:1@a! b:1@b!", notes: "emptied, gone a, gone b"},
		}},
		{"what went while no agent ran starts nothing", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "b=b:1", restart: true, pods: "b:1@b"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var kept Kept
			now := noon
			for i, s := range test.steps {
				now = now.Add(cmp.Or(s.after, time.Second))
				if s.restart {
					kept = restarted(kept)
				}
				var d Desired
				kept, d = Next(kept, listing(s), Options{Boot: "1", Parse: parse, Now: now})
				if got := shown(d); got != s.pods {
					t.Errorf("step %d: pods %q, want %q", i, got, s.pods)
				}
				if got := said(d); got != s.notes {
					t.Errorf("step %d: notes %q, want %q", i, got, s.notes)
				}
			}
		})
	}
}

func TestNext(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
	}{
		{"a new file, changed, and removed", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "a=a:2,b=b:1", pods: "a:2@a b:1@b"},
			{files: "b=b:1", pods: "b:1@b"},
		}},
		{"a bad version keeps the last good one, over a restart of the agent too", []step{
			{files: "a=a:1", pods: "a:1@a"},
			{files: "a=bad", pods: "a:1@a!", notes: "invalid a"},
			{files: "a=bad", restart: true, pods: "a:1@a!", notes: "invalid a"},
			{files: "a=", pods: "a:1@a!", notes: "invalid a"},
			{files: "a=a:1", pods: "a:1@a"},
			{files: "a=bad", pods: "a:1@a!", notes: "invalid a"},
			{files: "a=a:2", pods: "a:2@a"},
		}},
		{"a bad file that was never good", []step{
			{files: "a=bad", notes: "invalid a"},
			{files: "a=bad", restart: true, notes: "invalid a"},
			{files: "a=a:1", pods: "a:1@a"},
		}},
		{"a bad file that is removed lets its pod go", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "a=bad,b=b:1", pods: "a:1@a! b:1@b", notes: "invalid a"},
			{files: "b=b:1", pods: "b:1@b"},
		}},
		{"warnings are said and run", []step{
			{files: "a=a:1 warn", pods: "a:1@a", notes: "warning a"},
			{files: "a=a:1 warn", pods: "a:1@a", notes: "warning a"},
			{files: "a=a:1 warn", restart: true, pods: "a:1@a", notes: "warning a"},
		}},
		{"several files down to none are kept, and come back one by one", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{pods: "a:1@a! b:1@b!", notes: "emptied, gone a, gone b"},
			{pods: "a:1@a! b:1@b!", notes: "emptied, gone a, gone b"},
			{restart: true, pods: "a:1@a! b:1@b!", notes: "emptied, gone a, gone b"},
			{files: "b=b:2", pods: "a:1@a! b:2@b", notes: "gone a"},
			{files: "a=a:1,b=b:2", pods: "a:1@a b:2@b"},
			{files: "b=b:2", pods: "b:2@b"},
		}},
		{"one file down to none is a removal", []step{
			{files: "a=a:1", pods: "a:1@a"},
			{},
		}},
		{"only a backup is left of several", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "a.bak=?name", pods: "a:1@a! b:1@b!", notes: "emptied, gone a, gone b, name a.bak"},
		}},
		{"another folder with missing files, accepted once complete", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "b=b:1", inode: 2, pods: "a:1@a! b:1@b", notes: "gone a, replaced"},
			{files: "b=b:1", inode: 2, pods: "a:1@a! b:1@b", notes: "gone a, replaced"},
			{files: "a=a:2,b=b:1", inode: 2, pods: "a:2@a b:1@b"},
			{files: "b=b:1", inode: 2, pods: "b:1@b"},
		}},
		{"a mount is lost over one file, and comes back", []step{
			{files: "a=a:1", inode: 9, pods: "a:1@a"},
			{inode: 2, pods: "a:1@a!", notes: "gone a, replaced"},
			{files: "a=a:1", inode: 9, pods: "a:1@a"},
			{inode: 9},
		}},
		{"a missing or unreadable folder", []step{
			{files: "a=a:1", pods: "a:1@a"},
			{missing: true, pods: "a:1@a!", notes: "missing"},
			{broken: true, pods: "a:1@a!", notes: "broken"},
			{missing: true, restart: true, pods: "a:1@a!", notes: "missing"},
			{files: "a=a:1", inode: 2, pods: "a:1@a"},
		}},
		{"nothing is started from a folder that is missing since the boot", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{missing: true, boot: "2", restart: true, pods: "a:1@a# b:1@b#", notes: "missing"},
			{inode: 7, boot: "2", pods: "a:1@a# b:1@b#", notes: "emptied, gone a, gone b"},
			{inode: 7, files: "b=b:1", boot: "2", pods: "a:1@a# b:1@b", notes: "gone a"},
			{inode: 7, files: "a=a:1,b=b:1", boot: "2", pods: "a:1@a b:1@b"},
			{missing: true, boot: "2", pods: "a:1@a! b:1@b!", notes: "missing"},
		}},
		{"a folder that was never there", []step{
			{missing: true, notes: "missing"},
			{files: "a=a:1", pods: "a:1@a"},
		}},
		{"prune lets go what is held", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{inode: 2, files: "b=b:1", pods: "a:1@a! b:1@b", notes: "gone a, replaced"},
			{inode: 2, files: "b=b:1", prune: true, pods: "b:1@b"},
			{inode: 2, files: "", pods: ""},
		}},
		{"prune does not take what is there, or what can't be seen", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "a=bad,b=?busy", prune: true, pods: "a:1@a! b:1@b", notes: "invalid a"},
			{missing: true, prune: true, pods: "a:1@a! b:1@b!", notes: "missing"},
		}},
		{"a copy does not take the name, and takes over once the owner is gone", []step{
			{files: "web.yaml=web:1", pods: "web:1@web.yaml"},
			{files: "a-web.yaml=web:2,web.yaml=web:1", pods: "web:1@web.yaml", notes: "duplicate a-web.yaml"},
			{files: "a-web.yaml=web:2,web.yaml=web:1", restart: true, pods: "web:1@web.yaml", notes: "duplicate a-web.yaml"},
			{files: "a-web.yaml=web:2,web.yaml=bad", pods: "web:1@web.yaml!", notes: "duplicate a-web.yaml, invalid web.yaml"},
			{files: "a-web.yaml=web:2", pods: "web:2@a-web.yaml"},
		}},
		{"two new files of one name: the first by name", []step{
			{files: "b=x:2,a=x:1", pods: "x:1@a", notes: "duplicate b"},
		}},
		{"the owner turns to another pod", []step{
			{files: "a=x:1,b=x:2", pods: "x:1@a", notes: "duplicate b"},
			{files: "a=y:1,b=x:2", pods: "x:2@b y:1@a"},
		}},
		{"a file that is there goes before one that is held, whatever its name", []step{
			{files: "a=x:1,m=m:1", pods: "m:1@m x:1@a"},
			{files: "b=x:2,m=m:1", inode: 2, pods: "m:1@m x:2@b", notes: "duplicate a, gone a, replaced"},
		}},
		{"a file that is there goes before one that is held, the other way", []step{
			{files: "z=x:1,m=m:1", pods: "m:1@m x:1@z"},
			{files: "b=x:2,m=m:1", inode: 2, pods: "m:1@m x:2@b", notes: "duplicate z, gone z, replaced"},
		}},
		{"backup names never run", []step{
			{files: "web.bak=?name", notes: "name web.bak"},
			{files: "web=web:1,web.bak=?name", pods: "web:1@web", notes: "name web.bak"},
		}},
		{"a file that is being written keeps its last content, and is said after a while", []step{
			{files: "a=a:1", pods: "a:1@a"},
			{files: "a=?busy", pods: "a:1@a"},
			{files: "a=?busy", after: 4900 * time.Millisecond, pods: "a:1@a"},
			{files: "a=?busy", after: 100 * time.Millisecond, pods: "a:1@a", notes: "writing a"},
			{files: "a=a:2", pods: "a:2@a"},
			{files: "a=?busy", after: time.Minute, pods: "a:2@a"},
		}},
		{"a new file that stays open for writing is said", []step{
			{files: "n=?busy"},
			{files: "n=?busy", after: 5 * time.Second, notes: "writing n"},
			{files: "n=n:1", pods: "n:1@n"},
		}},
		{"an unreadable file keeps its last content", []step{
			{files: "a=a:1,n=?err", pods: "a:1@a", notes: "unreadable n"},
			{files: "a=?err", pods: "a:1@a", notes: "unreadable a"},
			{files: "a=?err", restart: true, pods: "a:1@a", notes: "unreadable a"},
		}},
		{"a rename in one reading", []step{
			{files: "a=x:1,b=b:1", pods: "b:1@b x:1@a"},
			{files: "c=x:1,b=b:1", pods: "b:1@b x:1@c"},
		}},
		{"several pods in a file, and one fewer", []step{
			{files: "a=x:1 y:1", pods: "x:1@a y:1@a"},
			{files: "a=x:1 bad", pods: "x:1@a! y:1@a!", notes: "invalid a"},
			{files: "a=x:1", pods: "x:1@a"},
		}},
		{"another path in the configuration", []step{
			{files: "a=a:1,b=b:1", pods: "a:1@a b:1@b"},
			{files: "a=a:1", path: "/n", inode: 5, pods: "a:1@a"},
		}},
		{"another path that is missing", []step{
			{files: "a=a:1", pods: "a:1@a"},
			{path: "/n", missing: true, pods: "a:1@a!", notes: "missing"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var kept Kept
			now := noon
			for i, s := range test.steps {
				now = now.Add(cmp.Or(s.after, time.Second))
				if s.restart {
					kept = restarted(kept)
				}
				boot := s.boot
				if boot == "" {
					boot = "1"
				}
				var d Desired
				kept, d = settle(kept, listing(s), Options{Boot: boot, Prune: s.prune, Parse: parse, Now: now})
				if got := shown(d); got != s.pods {
					t.Errorf("step %d: pods %q, want %q", i, got, s.pods)
				}
				if got := said(d); got != s.notes {
					t.Errorf("step %d: notes %q, want %q", i, got, s.notes)
				}
				for _, w := range d.Pods {
					if (w.Stance == Follow) != (w.Why == "") {
						t.Errorf("step %d: stance %d says %q", i, w.Stance, w.Why)
					}
				}
			}
		})
	}
}

// restarted is what another process finds on the disk.
func restarted(k Kept) Kept {
	files := map[string]Last{}
	for name, l := range k.Files {
		files[name] = Last{File: l.File, Bytes: l.Bytes, Keys: l.Keys, Held: l.Held, At: l.At}
	}
	return Restore(Kept{Path: k.Path, Identity: k.Identity, Boot: k.Boot, Owners: k.Owners, Holders: k.Holders, Read: k.Read, Files: files}, parse)
}

func TestRestoreOfWhatIsNoLongerUnderstoodIsFrozen(t *testing.T) {
	kept, _ := Next(Kept{}, listing(step{files: "a=a:1,b=b:1"}), Options{Boot: "1", Parse: parse, Now: noon})
	strict := func(file string, b []byte) manifest.Result {
		if file == "a" {
			return parse(file, []byte("bad"))
		}
		return parse(file, b)
	}
	kept = Restore(kept, strict)
	a := kept.Files["a"]
	a.pods = nil // as read from the disk
	kept.Files["a"] = a
	kept, d := Next(kept, listing(step{files: "a=a:1,b=b:1"}), Options{Boot: "1", Parse: strict, Now: noon})
	if got := shown(d); got != "a:@a# b:1@b" {
		t.Errorf("pods %q, want a frozen and b as it was", got)
	}
	if got := said(d); got != "invalid a" {
		t.Errorf("notes %q", got)
	}
	if _, d = Next(kept, listing(step{files: "a=a:1,b=b:1"}), Options{Boot: "1", Parse: parse, Now: noon}); len(d.Pods) != 2 {
		t.Errorf("pods %q", shown(d))
	}
}

func TestMessages(t *testing.T) {
	kept, _ := Next(Kept{}, listing(step{files: "a=a:1,b=b:1"}), Options{Boot: "1", Parse: parse, Now: noon})
	for _, test := range []struct {
		step step
		want string
	}{
		{step{files: "a=bad,b=b:1"}, "a:3: is bad; the last good version of"},
		{step{files: "a=?err,b=b:1"}, "permission denied; the last good version of"},
		{step{files: "c=a:1,a=a:1,b=b:1"}, "pod default/a is already defined by a, which keeps it"},
		{step{}, "went from 2 files to none at once; their pods are kept"},
		{step{files: "a=a:1", inode: 2}, "another folder is at /m (mounted, unmounted or made again); the pods of 1 missing files are kept"},
		{step{files: "a=a:1", inode: 2}, "its file is gone and its pods are kept: default/b"},
		{step{files: "a=a:1,b=b:1,n="}, "holds no pod; put a Pod in it, or remove the file"},
	} {
		_, d := Next(kept, listing(test.step), Options{Boot: "1", Parse: parse, Now: noon})
		if !slices.ContainsFunc(d.Notes, func(n Note) bool { return strings.Contains(n.Message, test.want) }) {
			t.Errorf("%+v: notes %v, want one with %q", test.step, d.Notes, test.want)
		}
	}
}

func TestNextDoesNotChangeWhatWasKept(t *testing.T) {
	kept, _ := Next(Kept{}, listing(step{files: "a=a:1,b=b:1"}), Options{Boot: "1", Parse: parse, Now: noon})
	files, owners := maps.Clone(kept.Files), maps.Clone(kept.Owners)
	for _, s := range []step{{}, {missing: true}, {files: "a=bad,b=a:1"}, {files: "a=a:1", inode: 3}} {
		Next(kept, listing(s), Options{Boot: "2", Parse: parse, Now: noon})
	}
	if !maps.EqualFunc(files, kept.Files, Last.Same) || !maps.Equal(owners, kept.Owners) {
		t.Errorf("kept is changed: %+v", kept)
	}
}

func TestSame(t *testing.T) {
	l := Last{File: "a", Bytes: []byte("x"), At: noon}
	for name, o := range map[string]Last{
		"bytes": {File: "a", Bytes: []byte("y"), At: noon}, "held": {File: "a", Bytes: []byte("x"), At: noon, Held: true},
		"time": {File: "a", Bytes: []byte("x"), At: noon.Add(1)}, "file": {File: "b", Bytes: []byte("x"), At: noon},
	} {
		if l.Same(o) {
			t.Errorf("%s: no difference seen", name)
		}
	}
	if !l.Same(Last{File: "a", Bytes: []byte("x"), At: noon, wrong: []byte("z")}) {
		t.Error("what is not on the disk makes a difference")
	}
	k := Kept{Path: "/m", Identity: Identity{1, 2}, Boot: "1", Owners: map[string]string{"k": "a"}}
	for name, o := range map[string]Kept{
		"path": {Path: "/n", Identity: k.Identity, Boot: "1", Owners: k.Owners}, "identity": {Path: "/m", Boot: "1", Owners: k.Owners},
		"boot": {Path: "/m", Identity: k.Identity, Owners: k.Owners}, "owners": {Path: "/m", Identity: k.Identity, Boot: "1"},
	} {
		if k.SameFolder(o) {
			t.Errorf("%s: no difference seen", name)
		}
	}
}
