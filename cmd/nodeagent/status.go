package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/api/client"
	"nodeagent/internal/view"
)

// lookDeadline bounds a look without a daemon. Each part of it has a shorter one of its own.
const lookDeadline = 20 * time.Second

func newStatus(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the health of this node, and what to do about what fails",
		Long: `status shows every condition of this node, the worst first, with what to do
about what fails; then the static pods and the mutes in force.

With no daemon it looks once by itself and says so. It exits with 0 whatever the
node's health is, so that a script that wants to know asks "nodeagent check".
With --watch it shows every change until Ctrl-C: redrawn on a terminal, a line a
change elsewhere, one document a change with -o.`,
		Example: `  nodeagent status
  nodeagent status --watch
  nodeagent status -o json | jq '.pods[] | select(.ready | not) | .name'`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	watching := cmd.Flags().BoolP("watch", "w", false, "go on showing changes until Ctrl-C")
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		c, socket := g.client()
		defer c.Close()
		if *watching {
			return watchStatus(cmd, c, *output)
		}
		s, why, err := statusOrLook(cmd.Context(), g, c, socket)
		if err != nil {
			return err
		}
		if *output != asTable {
			return output.print(cmd.OutOrStdout(), s)
		}
		out := screenOf(cmd)
		if why != "" {
			for _, l := range wrap("", why, out.width) {
				fmt.Fprintln(out, out.painter.paint(toneDoubt, l))
			}
		}
		_, err = fmt.Fprint(out, statusText(s, now(), out.width, out.painter))
		return err
	})
	return cmd
}

// statusOrLook asks the daemon, or looks once where none answers, and says why it did or what else is odd about the answer.
func statusOrLook(ctx context.Context, g *globals, c *client.Client, socket string) (s view.Status, why string, err error) {
	s, err = c.Status(ctx)
	switch {
	case errors.Is(err, client.ErrNoDaemon):
		why = "no daemon is running (" + view.OneLine(socket) + "): looked once by myself"
	case errors.Is(err, client.ErrTimeout):
		why = "the daemon does not answer (" + view.OneLine(socket) + "): looked once by myself"
	case err == nil && s.Version != version:
		return s, "the daemon is version " + view.OneLine(s.Version) + " and this command " + version + ": restart the daemon after an upgrade", nil
	default:
		return s, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	s, err = agent.Look(ctx, g.agentOptions())
	return s, why, err
}
