package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

func newMaintenance(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "maintenance",
		Short: "Take this node away from its VIPs for a while",
		Long: `maintenance lowers every verdict of this node, so that keepalived gives its VIPs
to another one, and pauses repairs. It outlives restarts of the agent and of the
node, is shown everywhere, and ends by itself.`,
		Example: `  sudo nodeagent maintenance start --for 1h "new disk"
  sudo nodeagent maintenance stop`,
	}
	cmd.AddCommand(newMaintenanceStart(g), newMaintenanceStop(g))
	return cmd
}

func newMaintenanceStart(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start [REASON]",
		Short: "Begin, or replace the end and reason of what is in force",
		Long: `start asks the other nodes' agents first (keepalive.peers of the configuration):
if none is known to be fit in this node's place, it refuses and says what each
one answered. --force goes ahead.`,
		Example: `  sudo nodeagent maintenance start --for 1h "new disk"`,
		Args:    cobra.ArbitraryArgs,
	}
	length := cmd.Flags().Duration("for", time.Hour, "`DURATION`, at most 744h")
	force := cmd.Flags().Bool("force", false, "don't ask the other nodes' agents")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		c, _ := g.client()
		defer c.Close()
		m, err := c.StartMaintenance(cmd.Context(), view.MaintenanceRequest{For: length.String(), Reason: strings.Join(args, " "), Force: *force})
		if err != nil {
			return err
		}
		return say(cmd, maintenanceText(m, now()))
	})
	return cmd
}

func newMaintenanceStop(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "stop",
		Short:   "End it: the node counts again",
		Long:    "stop ends the maintenance of this node. Where there is none, it changes nothing.",
		Example: "  sudo nodeagent maintenance stop",
		Args:    cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			c, _ := g.client()
			defer c.Close()
			if err := c.StopMaintenance(cmd.Context()); err != nil {
				return err
			}
			return say(cmd, "no maintenance is in force")
		}),
	}
}

// maintenanceText says until when, by whom and why.
func maintenanceText(m view.Maintenance, now time.Time) string {
	text := "under maintenance until " + clock(m.Until, now)
	if m.By != "" {
		text += " by " + view.OneLine(m.By)
	}
	if m.Reason != "" {
		text += ": " + view.OneLine(m.Reason)
	}
	return text
}
