package companion

import (
	"fmt"
	"slices"

	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/manifest"
)

// files judges the folder and each file of it. pods says that static pods run or ran here.
func files(in Input, want map[string]*wanted, pods bool) []health.Finding {
	f := in.Folder
	switch {
	case f == nil:
		return []health.Finding{{Status: health.Absent, Message: in.NoFolder}}
	case f.Err != "":
		return []health.Finding{{Subject: f.Path, Status: health.Unknown, Reason: conditions.ManifestUnreadable, Message: f.Err}}
	case f.Missing && pods:
		return []health.Finding{{Subject: f.Path, Status: health.Failing, Reason: conditions.FolderMissing, Message: "does not exist, and static pods run or ran here"}}
	case f.Missing:
		message := f.Path + " does not exist; to a kubelet that is an empty folder"
		if !in.Kubelet {
			message = noKubelet + ", and " + f.Path + " does not exist"
		}
		return []health.Finding{{Status: health.Absent, Message: message}}
	}
	var out []health.Finding
	if in.Unwatched != "" {
		out = append(out, health.Finding{Subject: f.Path, Status: health.OK, Message: in.Unwatched})
	}
	for i := range f.Files {
		out = append(out, fileFinding(&f.Files[i], want))
	}
	if len(f.Files) == 0 && len(out) == 0 {
		out = append(out, health.Finding{Status: health.Absent, Message: f.Path + " holds no manifest"})
	}
	return out
}

func fileFinding(f *File, want map[string]*wanted) health.Finding {
	out := health.Finding{Subject: f.Name}
	fail := func(s health.Status, r *health.Reason, message string) health.Finding {
		out.Status, out.Reason, out.Message = s, r, message
		return out
	}
	switch f.Kind {
	case Directory:
		return fail(health.Absent, nil, "a folder; a kubelet does not look inside")
	case Special:
		return fail(health.Failing, conditions.ManifestIgnored, "not a regular file; a kubelet passes over it")
	case Gone:
		return fail(health.Failing, conditions.ManifestUnreadable, f.Err)
	}
	if f.Err != "" {
		return fail(health.Unknown, conditions.ManifestUnreadable, f.Err)
	}
	pod := f.Verdict.Pod
	why, ignored := manifest.IgnoredName(f.Name)
	switch {
	case ignored && pod != nil:
		return fail(health.Failing, conditions.ManifestIgnoredName, why)
	case ignored:
		return fail(health.Failing, conditions.ManifestIgnoredName, why+"; a kubelet tries to run it and refuses it")
	case pod == nil && refusal(f.Verdict).Key == "":
		return fail(health.Failing, conditions.ManifestInvalid, firstProblem(f.Verdict, false))
	case pod == nil:
		return fail(health.Failing, conditions.ManifestRefused, firstProblem(f.Verdict, false))
	}
	if w := want[pod.Key()]; w != nil && w.file != f {
		return fail(health.Failing, conditions.ManifestDuplicate, fmt.Sprintf("holds pod %s, as does %s, which a kubelet runs instead", pod.Key(), w.file.Name))
	} else if w != nil && len(w.shadowed) > 0 {
		return fail(health.Failing, conditions.ManifestDuplicate, fmt.Sprintf("holds pod %s, as does %s; a kubelet runs this one", pod.Key(), w.shadowed[0]))
	}
	if len(f.Verdict.Problems) > 0 {
		return fail(health.Failing, conditions.ManifestIgnored, firstProblem(f.Verdict, true))
	}
	return fail(health.OK, nil, "")
}

// refusal is the first problem that is no warning; the zero one if there is none.
func refusal(v manifest.Verdict) manifest.Problem {
	i := slices.IndexFunc(v.Problems, func(p manifest.Problem) bool { return !p.Warning })
	if i < 0 {
		return manifest.Problem{}
	}
	return v.Problems[i]
}

// firstProblem is one line about a file's problems.
func firstProblem(v manifest.Verdict, warnings bool) string {
	n, first := 0, ""
	for _, p := range v.Problems {
		if p.Warning != warnings {
			continue
		}
		if n++; n == 1 {
			first = p.String()
		}
	}
	switch {
	case n == 0:
		return v.Summary
	case n == 1:
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, n-1)
}
