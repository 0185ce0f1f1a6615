package main

import (
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

// restartWait is how long `pods restart --wait` waits: a grace period of half a minute, an image and slow probes have room in it.
const restartWait = 5 * time.Minute

func newPodsRestart(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart NAME",
		Short: "Restart a static pod (run mode)",
		Long: `restart stops a static pod within its grace period and starts it anew, without
waiting for a back-off. NAME is NAME or NAMESPACE/NAME. It returns once the
restart is under way; with --wait once the pod runs in another sandbox and is
ready, saying what happens meanwhile, or with exit code 1 if that does not come.
A kubelet's pods are a kubelet's to restart.`,
		Example: `  sudo nodeagent pods restart default/web
  sudo nodeagent pods restart web --wait --timeout 2m`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completePod,
	}
	wait := cmd.Flags().Bool("wait", false, "wait until the pod runs again and is ready")
	timeout := cmd.Flags().Duration("timeout", restartWait, "`DURATION` to wait for at most")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		if *timeout <= 0 {
			return wrong("--timeout %v is no time to wait: give 30s, 2m", *timeout)
		}
		c, _ := g.client()
		defer c.Close()
		if !*wait {
			if err := c.RestartPod(cmd.Context(), args[0]); err != nil {
				return err
			}
			return say(cmd, "restart of "+view.OneLine(args[0])+" is under way; see `nodeagent pods`")
		}
		return restartAndWait(cmd.Context(), cmd.OutOrStdout(), c, args[0], *timeout)
	})
	return cmd
}

func newPodsStop(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop NAME --for DURATION",
		Short: "Stop a static pod for a while (run mode)",
		Long: `stop stops a static pod within its grace period and keeps it stopped for a
while, over restarts of the agent and of the node. It starts again by itself
when the time is over, or with "pods start". Until then status, pods and events
show it as stopped by a person. To stop a pod for good, take its manifest away.`,
		Example: `  sudo nodeagent pods stop default/web --for 10m
  sudo nodeagent pods start default/web`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completePod,
	}
	length := cmd.Flags().Duration("for", 0, "`DURATION` of the stop, at most 744h")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		if *length <= 0 {
			return wrong("say for how long: --for 10m; it starts again by itself then")
		}
		c, _ := g.client()
		defer c.Close()
		if err := c.StopPod(cmd.Context(), args[0], *length); err != nil {
			return err
		}
		at := now()
		return say(cmd, view.OneLine(args[0])+" is being stopped until "+clock(at.Add(*length), at)+"; `nodeagent pods start` ends that")
	})
	return cmd
}

func newPodsStart(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "start NAME",
		Short: "Start a static pod that was stopped for a while (run mode)",
		Long: `start ends what "pods stop" began, without waiting for its end. A pod that waits
in back-off is started at once too.`,
		Example:           "  sudo nodeagent pods start default/web",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completePod,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			c, _ := g.client()
			defer c.Close()
			if err := c.StartPod(cmd.Context(), args[0]); err != nil {
				return err
			}
			return say(cmd, view.OneLine(args[0])+" is being started; see `nodeagent pods`")
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
