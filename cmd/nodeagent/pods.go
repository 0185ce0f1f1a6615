package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

func newPods(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pods",
		Short: "Show the static pods of this node",
		Long: `pods shows the static pods of this node as the daemon sees them. With no daemon,
see status, which looks by itself.

READY counts containers, init containers apart. CPU is in thousandths of a core
over the last moments, MEM the working set. SINCE is how long the pod has been
in this status. NEXT is when a pod that waits in back-off, or that a person
stopped, starts again. The table leaves out what is not known or does not fit;
-o json has everything, container by container.`,
		Example: `  nodeagent pods
  nodeagent pods -o json
  sudo nodeagent pods describe web
  sudo nodeagent pods stop web --for 30m`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		c, _ := g.client()
		defer c.Close()
		pods, err := c.Pods(cmd.Context())
		if err != nil {
			return err
		}
		if *output != asTable {
			return output.print(cmd.OutOrStdout(), append([]view.Pod{}, pods...))
		}
		s := screenOf(cmd)
		_, err = fmt.Fprint(s, podTable(pods, now(), s.width, s.painter, true))
		return err
	})
	cmd.AddCommand(newPodsDescribe(g), newPodsLogs(g), newPodsVerify(g), newPodsRestart(g), newPodsStop(g), newPodsStart(g), newPodsPrune(g), newPodsResume(g))
	return cmd
}

func say(cmd *cobra.Command, text string) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}
