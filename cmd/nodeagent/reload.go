package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

func newReload(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration again",
		Long: `reload makes the daemon read its configuration files again, waits, and prints
the outcome: which keys changed, that nothing did, or why the files are refused
(exit code 1). With refused files the running configuration stays in force and
the condition AgentConfig fails.`,
		Example: "  sudo nodeagent reload",
		Args:    cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			c, _ := g.client()
			defer c.Close()
			r, err := c.Reload(cmd.Context())
			if err != nil {
				return err
			}
			switch r.Outcome {
			case view.ReloadApplied:
				return say(cmd, "applied: "+view.OneLine(strings.Join(r.Changed, ", ")))
			case view.ReloadUnchanged:
				return say(cmd, "unchanged: the files say what is in force already")
			}
			fmt.Fprintln(cmd.OutOrStdout(), view.OneLine(r.Outcome)+": the running configuration stays in force")
			for l := range strings.Lines(r.Error) {
				fmt.Fprintln(cmd.OutOrStdout(), "  "+view.OneLine(l))
			}
			return exits(exitProblem)
		}),
	}
}
