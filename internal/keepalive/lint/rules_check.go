package lint

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkTracks holds the rules about what an instance tracks.
func checkTracks(c Config, i *Instance, note noter) {
	group := c.Grouped[i.Name]
	for _, t := range i.Tracks {
		if !checkDefined(t, note) {
			continue
		}
		w := t.weight()
		limit := 253
		if t.Kind != kindScript {
			limit = 254
		}
		switch {
		case w.Bad:
			note(ruleUnsure, t.Pos, "the weight of %s is no number that is understood", t.Name)
		case t.Kind == kindFile && !t.Weight.Set: // of the declaration it multiplies, and may be large
		case w.Value < -limit || w.Value > limit:
			note(ruleWeightSize, t.Pos, "weight %d of %s is outside of -%d to %d", w.Value, t.Name, limit, limit)
		}
		switch {
		case w.Bad:
		case w.Value != 0 && group != nil && group.Get("sync_group_tracking_weight") == nil:
			note(ruleSyncWeight, t.Pos, "%s is in sync group %s, which makes the weight of %s 0", i.Name, group.Word(1), t.Name)
		case w.Value == 0:
			note(ruleWeightZero, t.Pos, "%s %s has weight 0: its failure is FAULT", t.Kind, t.Name)
		}
	}
}

func checkDefined(t Track, note noter) bool {
	if t.Check == nil {
		note(ruleUndefined, t.Pos, "track_%s names %s, which is declared nowhere", t.Kind, t.Name)
	}
	return t.Check != nil
}

func checkEmpty(n *Node, note noter) {
	for _, block := range n.All("track_script", "track_file", "track_process") {
		if len(block.Children) == 0 {
			note(ruleEmptyTrack, block.Pos, "%s is empty", block.Word(0))
		}
	}
}

// checkGap compares weights with the priorities of the other nodes. A file's weight multiplies a number that is not known here, and
// nodeagent's own numbers are sized for it, so that files are not compared.
func checkGap(c Config, i *Instance, others []Config, note noter) {
	if i.Priority.Bad || i.Priority.Value == 255 {
		return
	}
	best, known := 0, false // the highest priority below ours: who takes over
	for _, p := range peers(i, others) {
		switch {
		case p.Priority.Bad:
		case p.Priority.Value == i.Priority.Value:
			note(ruleSamePriority, i.Priority.Pos, "%s has priority %d here and in %s", i.Name, i.Priority.Value, p.Node.Pos)
		case p.Priority.Value < i.Priority.Value && p.Priority.Value > best:
			best, known = p.Priority.Value, true
		}
	}
	gap := i.Priority.Value - best
	for _, t := range i.Tracks {
		w := t.weight()
		if t.Check == nil || t.Kind == kindFile || w.Bad || w.Value == 0 || c.Grouped[i.Name] != nil {
			continue
		}
		size := max(w.Value, -w.Value)
		switch {
		case known && size <= gap:
			note(ruleGap, t.Pos, "weight %d of %s is not larger than the gap of %d to the next priority (%d): its failure moves nothing", w.Value, t.Name, gap, best)
		case size < 2:
			note(ruleGap, t.Pos, "weight %d of %s is not larger than any gap between two priorities: its failure moves nothing", w.Value, t.Name)
		case !known && len(others) == 0 && size < 50: // keepalived.conf(5) recommends a gap of 50
			note(ruleGapUnsure, t.Pos, "weight %d of %s moves the VIP only if the next node's priority is above %d, and that node's file is not known here", w.Value, t.Name, i.Priority.Value-size)
		}
	}
}

// checkUnused finds checks that nothing tracks.
func checkUnused(c Config, note noter) {
	used := map[*Check]bool{}
	mark := func(tracks []Track) {
		for _, t := range tracks {
			used[t.Check] = true
		}
	}
	for _, i := range c.Instances {
		mark(i.Tracks)
	}
	for _, g := range c.Groups {
		mark(c.tracks(g))
	}
	for _, kind := range []string{kindScript, kindFile, kindProcess} {
		for _, k := range c.sorted(kind) {
			if !used[k] {
				note(ruleUnused, k.Node.Pos, "%s %s is tracked by nothing", k.Node.Word(0), k.Name)
			}
		}
	}
}

func (c Config) sorted(kind string) []*Check {
	var out []*Check
	for _, name := range slices.Sorted(maps.Keys(c.Checks[kind])) {
		out = append(out, c.Checks[kind][name])
	}
	return out
}

// checkFiles holds the rules about track_file.
func checkFiles(c Config, o Options, note noter) {
	for _, k := range c.sorted(kindFile) {
		n := k.Node.Get("file")
		file := n.Word(1)
		if file == "" {
			note(ruleFileUnset, k.Node.Pos, "track_file %s has no file", k.Name)
			continue
		}
		init := k.Node.Get("init_file")
		if policy, ours := verdictOf(file, o.VerdictDir); ours {
			checkVerdict(c, k, n, policy, o, note)
			if init != nil && slices.Contains(init.Words, "overwrite") {
				note(ruleInitRewrite, init.Pos, "track_file %s overwrites the verdict at each start and reload of keepalived", k.Name)
			}
		}
		if init != nil {
			if v, err := strconv.Atoi(init.Word(1)); (err != nil || v >= 0) && k.Weight.Value > 0 {
				note(ruleInitHealthy, init.Pos, "init_file of %s begins as healthy", k.Name)
			}
		}
		checkFileThere(k, n, init, *o.Host, note)
	}
}

func checkFileThere(k *Check, n, init *Node, h Host, note noter) {
	file := n.Word(1)
	if h.Stat == nil || h.Read == nil {
		note(ruleUnsure, n.Pos, "whether %s is written can't be told from here", file)
		return
	}
	_, err := h.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && init == nil:
		note(ruleFileMissing, n.Pos, "%s is not there, which counts as healthy", file)
		return
	case errors.Is(err, fs.ErrNotExist):
		return // keepalived makes it
	case err != nil:
		note(ruleUnsure, n.Pos, "%s can't be looked at: %v", file, err)
		return
	}
	text, err := h.Read(file)
	switch text = strings.TrimSpace(text); {
	case err != nil:
		note(ruleUnsure, n.Pos, "%s can't be read: %v", file, err)
	case text == "":
		note(ruleFileMissing, n.Pos, "%s is empty, which counts as healthy", file)
	default:
		if _, err := strconv.Atoi(text); err != nil {
			note(ruleFileValue, n.Pos, "%s holds no number", file)
		}
	}
}

// verdictOf is the policy whose verdict a file is.
func verdictOf(file, dir string) (string, bool) {
	if d, name := path.Split(path.Clean(file)); path.Clean(d) == path.Clean(dir) {
		return name, true
	}
	return "", false
}

func checkVerdict(c Config, k *Check, n *Node, policy string, o Options, note noter) {
	if o.Verdicts != nil && !slices.Contains(o.Verdicts, policy) {
		note(ruleVerdict, n.Pos, "the agent of this node writes no verdict %s", policy)
	}
	if !k.Weight.Bad && k.Weight.Value != 1 {
		note(ruleVerdictWt, orElse(k.Node.Get("weight"), n).Pos, "track_file %s multiplies the verdict by %d", k.Name, k.Weight.Value)
	}
	for _, i := range c.Instances {
		for _, t := range i.Tracks {
			if t.Check == k && t.Weight.Set && !t.Weight.Bad && t.Weight.Value != 1 {
				note(ruleVerdictWt, t.Pos, "%s multiplies the verdict by %d", i.Name, t.Weight.Value)
			}
		}
	}
}

func orElse(a, b *Node) *Node {
	if a != nil {
		return a
	}
	return b
}

// maxComm is TASK_COMM_LEN of the kernel less its zero.
const maxComm = 15

func checkProcesses(c Config, note noter) {
	for _, k := range c.sorted(kindProcess) {
		n := k.Node.Get("process")
		switch name := n.Word(1); {
		case name == "":
			note(ruleProcess, k.Node.Pos, "%s %s has no process", k.Node.Word(0), k.Name)
		case k.Node.Get("full_command") != nil || len(n.Words) > 2 || k.Node.Get("param_match") != nil:
		case strings.Contains(name, "/"), len(name) > maxComm:
			note(ruleProcessName, n.Pos, "%q is never the name of a process", name)
		case name == "nodeagent":
			note(ruleProcessCLI, n.Pos, "%s counts commands of nodeagent and not the daemon", k.Name)
		}
	}
}
