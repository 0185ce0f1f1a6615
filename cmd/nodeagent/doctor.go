package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/component/doctor"
	"nodeagent/internal/view"
)

func newDoctor(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing first on this node, and what to do",
		Long: `doctor goes through the node in the order in which it comes up (time, machine,
certificates, runtime, kubelet, etcd, apiserver, VIP, CNI, pods, the agent) and
names the first thing that is missing: what fails after it mostly fails because
of it. It also names the known ways in which parts of a node wait for each other
for ever.

It works with everything down: with no daemon it looks once by itself, as root
best. Exit codes: 0 nothing is missing, 1 something is, 2 it could not be found
out.`,
		Example: `  sudo nodeagent doctor
  nodeagent doctor -o json | jq -r .first`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		c, socket := g.client()
		defer c.Close()
		s, why, err := statusOrLook(cmd.Context(), g, c, socket)
		if err != nil {
			return err
		}
		r := doctor.Examine(s)
		if *output != asTable {
			err = output.print(cmd.OutOrStdout(), r)
		} else {
			out := screenOf(cmd)
			_, err = fmt.Fprint(out, doctorText(r, why, out.width, out.painter))
		}
		if err != nil {
			return err
		}
		return exits(doctorExit(r.Status))
	})
	return cmd
}

func doctorExit(status string) int {
	switch status {
	case "ok":
		return exitOK
	case "failing":
		return exitProblem
	}
	return exitUnknown
}

// shownCauses of one step.
const shownCauses = 3

// doctorText is the report for people.
func doctorText(r doctor.Report, why string, width int, p painter) string {
	var b strings.Builder
	line := func(t tone, head, text string) {
		for _, l := range wrap(head, text, width) {
			b.WriteString(p.paint(t, l) + "\n")
		}
	}
	if why != "" {
		line(toneDoubt, "", why)
	}
	lead := leadOf(r)
	switch {
	case r.First != "":
		first := r.First
		if lead == nil && r.Deadlock != nil {
			first += ", which runs and waits"
		}
		line(toneOf(r.Status), "", fmt.Sprintf("%s: %s: the first thing missing is %s", view.OneLine(r.Node), strings.ToUpper(r.Status), first))
	default:
		line(toneOf(r.Status), "", view.OneLine(r.Node)+": OK: nothing is missing")
	}
	waits := func() {
		if d := r.Deadlock; d != nil {
			b.WriteString("\n")
			line(toneBad, "", "DEADLOCK: "+d.Name+" ("+d.Issue+")")
			line("", "  ", d.Message)
			line("", "  -> ", view.OneLine(d.Fix))
		}
	}
	caught := r.First == "kubelet" // what is to be done about kubelet itself comes after it
	if caught {
		waits()
	}
	if lead != nil {
		b.WriteString("\n")
		line(toneOf(lead.Status), "  ", causeName(*lead))
		if lead.Message != "" {
			line("", "  ", view.OneLine(lead.Message))
		}
		if lead.Fix != "" {
			line("", "  -> ", view.OneLine(lead.Fix))
		}
		line("", "  -> ", "Then run `nodeagent doctor` again: the next thing may show.")
	}
	if !caught {
		waits()
	}
	b.WriteString("\n")
	for _, s := range r.Steps {
		stepText(line, s, r.First, lead != nil)
	}
	return b.String()
}

// leadOf is what is wrong first, of which all is said on top; nil: nothing is, or a deadlock, of which all is said there too.
func leadOf(r doctor.Report) *doctor.Cause {
	for _, s := range r.Steps {
		if s.Name == r.First && len(s.Causes) > 0 && s.Causes[0].Condition != "Deadlock" {
			return &s.Causes[0]
		}
	}
	return nil
}

func causeName(c doctor.Cause) string {
	name := c.Condition
	if c.Subject != "" {
		name += " " + view.OneLine(c.Subject)
	}
	return name + ": " + view.OneLine(c.Reason)
}

// stepText is a step's own line and what is wrong with it. What to do is said of the first thing missing alone: the rest is in the status. Of its
// first cause all was said where lead is set. What is unknown beside what fails tells nothing.
func stepText(line func(t tone, head, text string), s doctor.Step, first string, lead bool) {
	status := s.Status
	if s.Name == first {
		status = strings.ToUpper(status)
	}
	head := fmt.Sprintf("%-8s %-13s ", status, s.Name)
	indent := strings.Repeat(" ", len(head))
	say := func(text string) { // the first on the step's own line
		line(toneOf(s.Status), head, text)
		head = indent
	}
	switch {
	case s.Status == "absent" && s.Muted == 0:
		say("not on this node")
	case s.Status == "ok":
		say("ok")
	case s.After:
		say("may follow from " + first)
	}
	if s.Muted > 0 {
		say(plural(s.Muted, "fault") + " muted")
	}
	left := 0
	for i, c := range s.Causes {
		if c.Status != s.Status { // unknown beside failing
			continue
		}
		if i >= shownCauses {
			left++
			continue
		}
		say(causeName(c))
		if s.After || s.Name == first && lead && i == 0 {
			continue
		}
		if c.Message != "" {
			line("", indent+"  ", view.OneLine(c.Message))
		}
		if c.Fix != "" && s.Name == first {
			line("", indent+"  -> ", view.OneLine(c.Fix))
		}
	}
	if left > 0 {
		say("and " + strconv.Itoa(left) + " more: nodeagent status")
	}
}
