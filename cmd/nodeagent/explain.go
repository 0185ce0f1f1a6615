package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/config"
	"nodeagent/internal/view"
)

// explain says what putting files into the manifest folder would do.
func (g *globals) explain(cmd *cobra.Command, paths []string) error {
	if slices.Contains(paths, "-") {
		return wrong("--explain needs the name that the file will have: give a file, not -")
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return nil // validate has said so already
		}
	}
	c, socket := g.client()
	defer c.Close()
	s, why, err := statusOrLook(cmd.Context(), g, c, socket)
	if err != nil {
		return err
	}
	if s.Mode != config.ModeRun {
		return &view.Error{Problem: "the agent does not run pods on this node, so there is nothing to compare with", Fix: "do without --explain, or set staticPods.mode: run"}
	}
	list, err := agent.Explain(g.lenient(), s, paths)
	if err != nil {
		return err
	}
	out := screenOf(cmd)
	for _, l := range wrap("", why, out.width) {
		fmt.Fprintln(out, out.painter.paint(toneDoubt, l))
	}
	if len(list) == 0 {
		return say(cmd, "nothing would change")
	}
	_, err = fmt.Fprint(out, effectTable(list, out.width, out.painter)+"\n")
	return err
}

var effectColumns = []column{{title: "WOULD"}, {title: "WHAT", min: 20}, {title: "FILE", min: 12}}

func effectTable(list []agent.Effect, width int, p painter) string {
	const under = "         "
	var rows []row
	for _, e := range list {
		what := e.Pod + e.Object
		r := row{cells: []string{e.Does, view.OneLine(what), view.OneLine(e.File)}, tone: effectTone(e.Does)}
		r.below = wrap(under, view.OneLine(e.Why), width)
		for _, c := range e.Changes {
			r.below = append(r.below, wrap(under+"- ", changeText(c), width)...)
		}
		rows = append(rows, r)
	}
	return table(effectColumns, rows, width, p)
}

func changeText(c agent.Change) string {
	text := view.OneLine(c.Path)
	if c.From == "" && c.To == "" {
		return text + " differs"
	}
	none := func(s string) string {
		if s == "" {
			return "none"
		}
		return view.OneLine(strings.TrimSpace(s))
	}
	return text + ": " + none(c.From) + " -> " + none(c.To)
}

func effectTone(does string) tone {
	switch does {
	case agent.Creates, agent.Changes:
		return toneGood
	case agent.Removes, agent.Refuses:
		return toneBad
	case agent.Replaces:
		return toneDoubt
	}
	return ""
}
