package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/api/client"
	"nodeagent/internal/demo"
)

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the agent at work in a private containerd",
		Long: `demo starts a private containerd, two static pods made of this very binary and
the daemon, and shows them live. It needs root, containerd, runc and the CNI
plugins, and no network. Ctrl-C removes every process, mount, network, cgroup
and file of it; so does the next demo after a kill -9.

With --for it needs no terminal, kills a pod on the way, and exits with 0 only
if the runtime's own listing showed that the pods ran and the killed one came
back.`,
		Example: `  sudo nodeagent demo
  sudo nodeagent demo --for 30s`,
		Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			o.Watch = func(ctx context.Context, c *client.Client, title string) error { return watchDemo(ctx, cmd, c, title) }
			return demo.Run(cmd.Context(), o)
		}),
	}
	cmd.Flags().DurationVar(&o.For, "for", 0, "`DURATION`: prove that pods ran and restarted, and end")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "`FOLDER` of it all (default /var/lib/nodeagent-demo)")
	cmd.Flags().StringVar(&o.Metrics, "metrics", "", "`ADDRESS` (default 127.0.0.1:10071, or any port)")
	return cmd
}

// watchDemo shows the daemon's status until ctx ends.
func watchDemo(ctx context.Context, cmd *cobra.Command, c *client.Client, title string) error {
	out := screenOf(cmd)
	var w watcher = &lines{out: out}
	var every time.Duration
	if out.terminal {
		r := newRedraw(cmd, out)
		r.title = title
		w, every = r, redrawEvery
	} else {
		fmt.Fprintln(out, title)
	}
	defer w.close()
	err := follow(ctx, c, every, w)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
