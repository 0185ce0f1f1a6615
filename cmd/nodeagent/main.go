// Command nodeagent is the daemon and the command line of it.
//
// Exit codes: 0 it went well, 1 there is a problem, 2 the command was used wrongly or the answer is unknown, 78 the configuration is bad
// (EX_CONFIG of sysexits.h).
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by -ldflags "-X main.version=1.2.3".
var version = "dev"

// execute runs one command line and returns its exit code.
func execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return finish(cmd, err)
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "nodeagent",
		Short: "Watches over one node of a cluster: its container runtime and its static pods",
		Long: `nodeagent looks at one node of a Kubernetes-style cluster, keeps one picture of
its health, watches or runs its static pods, and shows all of that to people, to
Prometheus and to systemd.

The daemon is found by --socket, else $NODEAGENT_SOCKET, else api.socket of the
configuration. With --config that file stands alone: the drop-ins are read only
with --config-dir.

Exit codes: 0 it went well, 1 there is a problem, 2 wrong use or unknown, 78 the
configuration is bad.`,
		Example: `  nodeagent status                 # is this node well, and if not, what to do
  nodeagent events --since 3h      # what happened
  sudo nodeagent pods describe web # one pod, with its last words
  nodeagent check StaticPods       # one line and an exit code, for scripts
  sudo nodeagent reload            # take a changed configuration over`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	g.register(root.PersistentFlags())
	root.AddGroup(&cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "act", Title: "Act (as root):"}, &cobra.Group{ID: "agent", Title: "The agent:"})
	in := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		root.AddCommand(commands...)
	}
	in("look", newStatus(g), newDoctor(g), newPods(g), newNet(g), newVIP(g), newEvents(g), newCollect(g), newCheck(g), newValidate(g))
	in("act", newReload(g), newMute(g), newUnmute(g), newMaintenance(g), newRepair(g), newCanary(g), newSetup(g))
	in("agent", newRun(g), newConfig(g), newDemo(), newVersion())
	// Its own last line is too long for the longest commands.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), `Use "{{.CommandPath}} [command] --help" for more information about a command.`, `See "{{.CommandPath}} [command] --help" for one of them.`, 1))
	root.SetHelpCommandGroupID("agent")
	root.SetCompletionCommandGroupID("agent")
	return root
}
