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

NEXT is when a container that waits in back-off starts again. The table leaves
out what does not fit; -o json has everything, container by container.`,
		Example: `  nodeagent pods
  nodeagent pods -o json
  sudo nodeagent pods restart default/web`,
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
	cmd.AddCommand(newPodsRestart(g), newPodsPrune(g), newPodsResume(g))
	return cmd
}

func newPodsRestart(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "restart NAME",
		Short: "Restart a static pod (run mode)",
		Long: `restart stops a static pod within its grace period and starts it anew, without
waiting for a back-off. NAME is NAME or NAMESPACE/NAME. It returns once the
restart is under way. A kubelet's pods are a kubelet's to restart.`,
		Example: "  sudo nodeagent pods restart default/web",
		Args:    cobra.ExactArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			c, _ := g.client()
			defer c.Close()
			if err := c.RestartPod(cmd.Context(), args[0]); err != nil {
				return err
			}
			return say(cmd, "restart of "+view.OneLine(args[0])+" is under way; see `nodeagent pods`")
		}),
	}
}

func newPodsPrune(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "prune",
		Short: "Stop pods that are kept with no manifest (run mode)",
		Long: `prune stops the pods that are kept because their whole folder was emptied,
unmounted or replaced: files that went away one by one stop their pods by
themselves. Say it when the files were removed on purpose.`,
		Example: "  sudo nodeagent pods prune",
		Args:    cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			c, _ := g.client()
			defer c.Close()
			if err := c.PrunePods(cmd.Context()); err != nil {
				return err
			}
			return say(cmd, "pods with no manifest are being stopped; see `nodeagent pods`")
		}),
	}
}

func newPodsResume(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Run pods again after a kubelet was here (run mode)",
		Long: `resume lets the agent run pods again after it stepped back because a kubelet
appeared on this node. It changes nothing while the kubelet is still there.`,
		Example: "  sudo nodeagent pods resume",
		Args:    cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			c, _ := g.client()
			defer c.Close()
			if err := c.ResumePods(cmd.Context()); err != nil {
				return err
			}
			return say(cmd, "pods are run again unless a kubelet is still here; see `nodeagent check RunMode`")
		}),
	}
}

func say(cmd *cobra.Command, text string) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}
