package agent

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"nodeagent/internal/config"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

// Explain says what the agent would do if files were put into its manifest folder, or if a folder's content took the place of that folder's,
// against what a status shows. It writes nothing and asks nobody. c is of run mode. The daemon's own rules for reading a folder decide, once
// for the folder as it is and once for what it would be.
func Explain(c config.Config, s view.Status, paths []string) ([]Effect, error) {
	now := time.Now()
	is := folder.Read(c.StaticPodPath, now)
	if is.Err != nil && !is.Missing {
		return nil, fmt.Errorf("%w: what runs must be known to be compared with", is.Err)
	}
	is.Err, is.Missing = nil, false
	would, given, err := overlay(is, paths, now)
	if err != nil {
		return nil, err
	}
	o := folder.Options{Boot: "now", Now: now, Parse: func(file string, b []byte) manifest.Result {
		return manifest.Parse(file, b, manifest.Options{NodeName: s.Node, Mode: manifest.Run})
	}}
	kept, before := folder.Next(folder.Kept{Owners: owners(s.Pods)}, is, o)
	kept, after := folder.Next(kept, would, o)
	if after.Again > 0 { // what is missing then stays away
		o.Now = now.Add(time.Minute)
		_, after = folder.Next(kept, would, o)
	}
	return effects(before, after, s.Pods, given), nil
}

// owners are the files that have a pod now: of two files with one, it stays with its own.
func owners(pods []view.Pod) map[string]string {
	out := map[string]string{}
	for _, p := range pods {
		if p.File != "" {
			out[p.Namespace+"/"+p.Name] = filepath.Base(p.File)
		}
	}
	return out
}

// overlay puts files into a reading of the folder; a folder among the paths takes its place whole. given are the names that are put, nil for
// all.
func overlay(is folder.Listing, paths []string, now time.Time) (would folder.Listing, given map[string]bool, err error) {
	would = is
	would.Files = maps.Clone(is.Files)
	given = map[string]bool{}
	for _, path := range paths {
		st, err := os.Stat(path)
		if err != nil {
			return would, nil, fmt.Errorf("read what is to be put: %w", err)
		}
		if st.IsDir() && len(paths) > 1 {
			return would, nil, errors.New("a folder takes the place of the whole folder: name it alone")
		}
		l := folder.Read(path, now)
		if l.Err != nil {
			return would, nil, l.Err
		}
		if st.IsDir() {
			would.Files, given = l.Files, nil
			continue
		}
		name := filepath.Base(path)
		if _, known := l.Files[name]; !known { // a name that begins with a dot
			l.Files[name] = folder.File{Ignored: "its name begins with a dot"}
		}
		if given[name] {
			return would, nil, fmt.Errorf("two of the files are named %s: only one can be in the folder", name)
		}
		given[name] = true
		would.Files[name] = l.Files[name]
	}
	return would, given, nil
}
