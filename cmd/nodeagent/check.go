package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/api/client"
	"nodeagent/internal/view"
)

const (
	checkDeadline = 3 * time.Second
	checkWidth    = 80 // what node-problem-detector reads of a plugin's line
)

func newCheck(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check NAME [SUBJECT]",
		Short: "Print one condition as one line and an exit code",
		Long: `check prints one line of at most 80 characters and exits with 0 for ok, absent
or muted, 1 for failing, and 2 for unknown, which an agent that does not answer
within 3 s is too. NAME is a condition, as status shows it, in upper or lower
case; SUBJECT one subject of it.`,
		Example: `  nodeagent check RuntimeReady
  nodeagent check StaticPods default/web || echo "not well"`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeCondition,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		subject := ""
		if len(args) == 2 {
			subject = args[1]
		}
		c, socket := g.client()
		defer c.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), checkDeadline)
		defer cancel()
		answer, err := c.Check(ctx, args[0], subject)
		if err != nil {
			answer = view.Check{Name: args[0], Status: "unknown", Message: unanswered(err, socket), Code: exitUnknown}
		}
		if *output != asTable {
			err = output.print(cmd.OutOrStdout(), answer)
		} else {
			err = say(cmd, cut(view.OneLine(answer.Message), checkWidth))
		}
		if err != nil {
			return err
		}
		return exits(answer.Code)
	})
	return cmd
}

// unanswered is a check's line where the daemon gave none.
func unanswered(err error, socket string) string {
	text := ""
	switch {
	case errors.Is(err, client.ErrNoDaemon):
		text = "unknown: no daemon on " + socket
	case errors.Is(err, client.ErrPermission):
		text = "unknown: no permission to use " + socket
	case errors.Is(err, client.ErrTimeout):
		text = "unknown: no answer within " + checkDeadline.String() + " on " + socket
	default:
		text = "unknown: " + err.Error()
	}
	return cut(view.OneLine(text), checkWidth)
}
