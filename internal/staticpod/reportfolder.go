package staticpod

import (
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/folder"
)

// publishFolder says what is to be said about the folder and its files.
func (p *Pods) publishFolder(d *folder.Desired, blind error) {
	cfg := p.d.Config()
	valid := health.Validity(cfg.FileCheckFrequency, readBound)
	of := health.Finding{Status: health.OK, Message: cfg.Path + ": " + itoa(d.Files) + " files"}
	if blind != nil {
		of = health.Finding{Status: health.Failing, Reason: conditions.RunFolderNoEvents, Message: clip(blind.Error())}
	}
	for _, n := range d.Notes {
		if n.File == "" {
			status, reason := noteReason(n.Kind)
			of = health.Finding{Status: status, Reason: reason, Message: clip(n.Message)}
		}
	}
	files := fileFindings(d)
	if len(files) == 0 {
		files = []health.Finding{{Status: health.Absent, Message: "no manifest in " + cfg.Path}}
	}
	p.d.Board.Publish(
		health.Look{Of: conditions.ManifestFolder, Valid: valid, Findings: []health.Finding{of}},
		health.Look{Of: conditions.Manifests, Valid: valid, Findings: files})
}

// fileFindings are one for each file, whatever is to be said of it: what fails comes first and gives the reason. Pure.
func fileFindings(d *folder.Desired) []health.Finding {
	var out []health.Finding
	at := map[string]int{}
	add := func(f health.Finding) {
		i, there := at[f.Subject]
		if !there {
			at[f.Subject] = len(out)
			out = append(out, f)
			return
		}
		was, message := out[i], f.Message
		if was.Status == health.OK && f.Status != health.OK {
			was.Status, was.Reason, was.Message, message = f.Status, f.Reason, f.Message, was.Message
		}
		was.Message += "; " + message
		out[i] = was
	}
	for _, n := range d.Notes {
		if n.File != "" {
			status, reason := noteReason(n.Kind)
			add(health.Finding{Subject: n.File, Status: status, Reason: reason, Message: n.Message})
		}
	}
	for i := range out {
		out[i].Message = clip(out[i].Message)
	}
	well := func(file string) {
		if _, said := at[file]; !said {
			add(health.Finding{Subject: file, Status: health.OK})
		}
	}
	for _, w := range d.Pods {
		well(w.File)
	}
	for _, o := range d.Objects {
		well(o.File)
	}
	return out
}

func noteReason(k folder.Kind) (health.Status, *health.Reason) {
	switch k {
	case folder.Invalid:
		return health.Failing, conditions.ManifestRejected
	case folder.Unreadable:
		return health.Failing, conditions.ManifestUnreadable
	case folder.NameIgnored:
		return health.Failing, conditions.ManifestNotOne
	case folder.Duplicate:
		return health.Failing, conditions.ManifestTaken
	case folder.BeingWritten:
		return health.Failing, conditions.ManifestWriting
	case folder.Warning:
		return health.OK, conditions.ManifestPartly
	case folder.Gone:
		return health.Failing, conditions.ManifestGone
	case folder.HostPort:
		return health.Failing, conditions.ManifestHostPort
	case folder.InsecureSecret:
		return health.Failing, conditions.ManifestInsecure
	case folder.FolderMissing:
		return health.Failing, conditions.RunFolderMissing
	case folder.FolderUnreadable:
		return health.Failing, conditions.RunFolderUnreadable
	case folder.FolderReplaced:
		return health.Failing, conditions.RunFolderReplaced
	}
	return health.Failing, conditions.RunFolderEmptied
}
