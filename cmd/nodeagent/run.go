package main

import (
	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
)

func newRun(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `run is the daemon: it ends at SIGTERM, takes a changed configuration over at
SIGHUP, and logs to stderr. Pods go on running when it ends.

It exits with 78 if the configuration is bad and none was accepted before; with
a bad file and an accepted one it runs the latter and says so in the condition
AgentConfig.`,
		Example: `  nodeagent run
  nodeagent run --config ./config.yaml`,
		Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			return agent.Run(cmd.Context(), g.agentOptions())
		}),
	}
}
