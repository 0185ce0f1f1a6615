package main

import (
	"github.com/spf13/cobra"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"

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
			experimental.SetDefaultBufferPool(buffers())
			return agent.Run(cmd.Context(), g.agentOptions())
		}),
	}
}

// buffers let a runtime's answer be held in about what it needs. With gRPC's own sizes one of 33 KiB, the list of thirty containers, takes a
// megabyte, which the next collection of garbage frees. The codec takes no other pool than the process's.
func buffers() mem.BufferPool {
	return mem.NewTieredBufferPool(256, 4<<10, 16<<10, 32<<10, 64<<10, 128<<10, 256<<10, 512<<10, 1<<20)
}
