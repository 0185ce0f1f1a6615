package folder

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/staticpod/manifest"
)

// accept makes the last good content of one file that is there, and may be open for writing since a while. False: it never had any.
func accept(last Last, name string, f File, busy time.Time, o Options, d *Desired) (Last, bool) {
	had := last.File != ""
	note := func(k Kind, format string, args ...any) {
		m := fmt.Sprintf(format, args...)
		if had && (k == Invalid || k == Unreadable || k == InsecureSecret) {
			m += "; the last good version of " + last.At.Local().Format("2006-01-02 15:04:05") + " is kept"
		}
		d.Notes = append(d.Notes, Note{Kind: k, File: name, Message: m})
	}
	last.Held, last.open, last.seen, last.missing = false, false, true, time.Time{}
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
	if had && bytes.Equal(f.Bytes, last.Bytes) && last.known {
		last.wrong, last.faulty = nil, nil
		// What was taken while it was safe stays in force: dropping it would stop pods, and guard nothing any more.
		if p, ok := manifest.SecretFile(name, manifest.Result{Objects: last.objects}, f.Mode, f.UID); !ok {
			note(InsecureSecret, "%s", p)
		}
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
		if len(faulty) == 0 && len(res.Pods) == 0 && len(res.Objects) == 0 {
			faulty = []manifest.Problem{{File: name, Line: 1, Column: 1, Message: "holds no pod", Fix: "put a Pod in it, or remove the file"}}
		}
		if len(faulty) == 0 {
			faulty = last.frozen(name, res.Objects)
		}
		if len(faulty) == 0 {
			if p, ok := manifest.SecretFile(name, res, f.Mode, f.UID); !ok {
				note(InsecureSecret, "%s", p)
				last.wrong, last.faulty, last.open = nil, nil, true
				return last, had
			}
			warn(name, warnings, d)
			return Last{File: name, Bytes: f.Bytes, Keys: keys(res.Pods), At: o.Now, known: true, seen: true, pods: res.Pods, objects: res.Objects, warn: warnings}, true
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

// frozen finds immutable objects of the file whose data would change. The API refuses that too: what reads an immutable object never
// looks again.
func (l Last) frozen(name string, now []manifest.Object) []manifest.Problem {
	var out []manifest.Problem
	for _, o := range now {
		for _, was := range l.objects {
			if was.Key() == o.Key() && was.Immutable && was.Hash != o.Hash {
				out = append(out, manifest.Problem{File: name, Document: o.Document, Key: "immutable",
					Message: "the " + o.Key().String() + " is immutable, and its data changed", Fix: "give it another name, or take the file away and put it back"})
			}
		}
	}
	return out
}

// kept says what is kept of a file that is gone.
func (l Last) kept() string {
	what, names := "its pods are kept: ", slices.Clone(l.Keys)
	for _, o := range l.objects {
		what, names = "what it held is kept: ", append(names, o.Key().String())
	}
	return "its file is gone and " + what + strings.Join(names, ", ")
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
