package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/config"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

func newConfig(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Long: "config looks at the configuration files; `nodeagent reload` makes the daemon" +
			"\ntake them over.",
		Example: `  nodeagent config check
  nodeagent config print
  nodeagent config reference > /etc/nodeagent/config.yaml`,
		RunE: group,
	}
	cmd.AddCommand(newConfigCheck(g), newConfigPrint(g), newConfigReference())
	return cmd
}

func newConfigCheck(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Look for faults in the configuration",
		Long: `check reads the configuration as the daemon does and prints "ok", or every fault
with file, line, column and key, and exits with 78. A state folder in which a
newer version wrote is a fault too: the daemon would refuse it. With FILE it
reads that file alone.`,
		Example: `  nodeagent config check
  nodeagent config check ./new.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			o := g.configOptions()
			if len(args) == 1 {
				o.File, o.Explicit, o.Dir = args[0], true, ""
			}
			l, err := config.Load(o)
			if err != nil {
				var bad *config.Error
				if !errors.As(err, &bad) {
					return &agent.ConfigError{Err: err}
				}
				for _, p := range bad.Problems {
					fmt.Fprintln(cmd.OutOrStdout(), view.OneLine(p.String()))
				}
				return exits(exitBadConfig)
			}
			for _, path := range l.Ignored {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: warning: is not read; name it *.yaml if it should be, or move it away\n", view.OneLine(path))
			}
			if len(args) == 0 {
				if err := state.Newer(l.Config.StateDir); err != nil {
					return err
				}
			}
			switch n := len(l.Raw); n {
			case 0:
				return say(cmd, "ok: no file, every key has its default")
			default:
				return say(cmd, "ok: "+plural(n, "file"))
			}
		}),
	}
}

func newConfigPrint(g *globals) *cobra.Command {
	running := false
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print each value, and where it comes from",
		Long: `print shows every key with its value and the file and line that it comes from,
as the files say now. With --running it is the daemon's, which differs from the
files until they are reloaded.`,
		Example: `  nodeagent config print
  diff <(nodeagent config print) <(nodeagent config print --running)`,
		Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			if running {
				c, _ := g.client()
				defer c.Close()
				text, err := c.Config(cmd.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), text)
				return err
			}
			l, err := config.Load(g.configOptions())
			if err != nil {
				return &agent.ConfigError{Err: err}
			}
			return config.Print(cmd.OutOrStdout(), l)
		}),
	}
	cmd.Flags().BoolVar(&running, "running", false, "ask the daemon for the one in force")
	return cmd
}

func newConfigReference() *cobra.Command {
	return &cobra.Command{
		Use:     "reference",
		Short:   "Print a commented file with every key and its default",
		Example: "  nodeagent config reference | less",
		Args:    cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Reference())
			return err
		}),
	}
}
