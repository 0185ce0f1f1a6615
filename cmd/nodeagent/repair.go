package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

func newRepair(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Show what the agent would mend, or let it go on",
		Long: `repair is about what the agent may do to the node beyond its pods and verdicts.
repair.mode of the configuration says whether it does it (on), only says what it
would do (dry-run, the default), or neither (off).`,
		Example: `  nodeagent repair plan
  sudo nodeagent repair clear restart-runtime`,
	}
	cmd.AddCommand(newRepairPlan(g), newRepairClear(g))
	return cmd
}

func newRepairPlan(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be mended now, and why not",
		Long: `plan shows each repair with its budget, the trouble that it would end, and what
stands against it: its time, its budget, maintenance, a unit that a person
stopped, dry-run.`,
		Example: `  nodeagent repair plan
  nodeagent repair plan -o json | jq '.repairs[] | select(.wanted)'`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		c, _ := g.client()
		defer c.Close()
		p, err := c.Repairs(cmd.Context())
		if err != nil {
			return err
		}
		if *output != asTable {
			return output.print(cmd.OutOrStdout(), p)
		}
		out := screenOf(cmd)
		_, err = fmt.Fprint(out, repairText(p, now(), out.width, out.painter))
		return err
	})
	return cmd
}

func newRepairClear(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "clear [NAME]",
		Short: "Let a repair that needs a person go on",
		Long: `clear lets a repair go on that has used up its budget without helping, with a
whole budget; with no name, all of them. Find the cause first.`,
		Example: "  sudo nodeagent repair clear restart-runtime",
		Args:    cobra.MaximumNArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			c, _ := g.client()
			defer c.Close()
			r, err := c.ClearRepairs(cmd.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			if len(r.Cleared) == 0 {
				return say(cmd, "none needs a person")
			}
			return say(cmd, view.OneLine(strings.Join(r.Cleared, ", "))+" may act again")
		}),
	}
}

// repairText is the plan for people.
func repairText(p view.RepairPlan, now time.Time, width int, painter painter) string {
	text := "repair.mode: " + view.OneLine(p.Mode) + "\n\n"
	var rows []row
	for _, r := range p.Repairs {
		state, tone := "idle", toneMuted
		switch {
		case !r.Latched.IsZero():
			state, tone = "needs a person", toneBad
		case len(r.Wanted) > 0:
			state, tone = "wanted", toneDoubt
		}
		x := row{tone: tone, cells: []string{state, view.OneLine(r.Action), fmt.Sprintf("%d of %d", r.Hour, r.HourMost), fmt.Sprintf("%d of %d", r.Day, r.DayMost)}}
		x.below = wrap("         ", view.OneLine(r.Help), width)
		if !r.Latched.IsZero() {
			x.below = append(x.below, wrap("         ", "since "+clock(r.Latched, now)+": "+view.OneLine(r.LatchedWhy), width)...)
		}
		for _, w := range r.Wanted {
			x.below = append(x.below, wrap("         - ", view.OneLine(w.Target)+", for "+since(w.Since, now)+": "+view.OneLine(w.Why), width)...)
			verdict := "not now: " + view.OneLine(w.Because)
			if w.Now {
				verdict = "would be done now"
			} else if !w.At.IsZero() {
				verdict += ", until " + clock(w.At, now)
			}
			x.below = append(x.below, wrap("           ", verdict, width)...)
		}
		rows = append(rows, x)
	}
	return text + table([]column{{title: "STATE"}, {title: "REPAIR"}, {title: "THIS HOUR"}, {title: "THIS DAY"}}, rows, width, painter)
}
