package main

import (
	"fmt"
	"slices"
	"strings"
)

// Where `nodeagent setup` lays what a profile needs. The drop-in is a link, so that an upgrade brings the profile's new version.
const (
	setupProfiles = "/usr/share/nodeagent/profiles"
	setupDropIn   = "/etc/systemd/system/nodeagent.service.d/50-profile.conf"
	setupConfig   = "/etc/nodeagent/config.d/50-setup.yaml"
)

// entry is what lies at a path: a link or a file. The zero entry is nothing at all.
type entry struct {
	Link    string `json:"link,omitempty"`
	Content string `json:"content,omitempty"`
}

// change makes a path into what After says.
type change struct {
	Path   string `json:"path"`
	Before entry  `json:"before"`
	After  entry  `json:"after"`
}

// profile is what a node has to have, by path.
func profile(name string) map[string]entry {
	mode := entry{Content: "# Laid by `nodeagent setup " + name + "`; `nodeagent setup --undo` takes it back.\nstaticPods:\n  mode: " + name + "\n"}
	out := map[string]entry{setupConfig: mode, setupDropIn: {}}
	if name == "run" {
		out[setupDropIn] = entry{Link: setupProfiles + "/run.conf"}
	}
	return out
}

// planSetup gives what has to change, drop-in first: an agent of run mode in the unit of companion could not work.
func planSetup(want, now map[string]entry) []change {
	var out []change
	for path, after := range want {
		if now[path] != after {
			out = append(out, change{Path: path, Before: now[path], After: after})
		}
	}
	slices.SortFunc(out, func(a, b change) int { return strings.Compare(b.Path, a.Path) })
	return out
}

// planUndo turns changes back. A path that somebody changed since is an error: it is that person's now.
func planUndo(done []change, now map[string]entry) ([]change, error) {
	var out []change
	for _, c := range slices.Backward(done) {
		switch now[c.Path] {
		case c.Before:
		case c.After:
			out = append(out, change{Path: c.Path, Before: c.After, After: c.Before})
		default:
			return nil, fmt.Errorf("%s was changed since it was laid: it is yours to undo", c.Path)
		}
	}
	return out, nil
}

// text of one change, for people.
func (c change) text() string {
	switch {
	case c.After == entry{}:
		return "remove " + c.Path
	case c.After.Link != "":
		return "link   " + c.Path + " -> " + c.After.Link
	case c.Before == entry{}:
		return "write  " + c.Path
	}
	return "change " + c.Path
}
