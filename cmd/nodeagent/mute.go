package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

func newMute(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mute NAME [SUBJECT]",
		Short: "Make a condition count for nothing for a while",
		Long: `mute makes a condition, or one subject of it, count for nothing for a while. It
is still looked at and shown, with the mute beside it, and it counts again by
itself when the time is over.`,
		Example: `  sudo nodeagent mute NetworkReady --for 1h --reason "moving to another CNI"
  sudo nodeagent mute StaticPods default/web --for 30m`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeCondition,
	}
	length := cmd.Flags().Duration("for", time.Hour, "`DURATION` of the mute, at most 744h")
	reason := cmd.Flags().String("reason", "", "`TEXT` that is shown beside it")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		q := view.MuteRequest{Condition: args[0], For: length.String(), Reason: *reason}
		if len(args) == 2 {
			q.Subject = args[1]
		}
		c, _ := g.client()
		defer c.Close()
		m, err := c.Mute(cmd.Context(), q)
		if err != nil {
			return err
		}
		return say(cmd, view.OneLine(m.Condition+" "+m.Subject)+": "+muteText(m, now()))
	})
	return cmd
}

func newUnmute(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "unmute NAME [SUBJECT]",
		Short:             "End a mute",
		Long:              "unmute ends the mute of exactly this condition and subject, as status shows it.",
		Example:           "  sudo nodeagent unmute NetworkReady",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeCondition,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			subject := ""
			if len(args) == 2 {
				subject = args[1]
			}
			c, _ := g.client()
			defer c.Close()
			if err := c.Unmute(cmd.Context(), args[0], subject); err != nil {
				return err
			}
			return say(cmd, view.OneLine(strings.TrimSpace(args[0]+" "+subject))+" counts again")
		}),
	}
}
