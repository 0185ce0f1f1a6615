package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/api/client"
	"nodeagent/internal/keepalive/lint"
	"nodeagent/internal/view"
)

func newVIP(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vip",
		Short: "Show what keepalived is told, who has the VIP, and the balancer",
		Long: `vip shows this node's verdicts with their causes, the VRRP instances of
keepalived.conf with their VIPs, who else is heard on the wire, the balancer
with its servers, and the last changes. As long as keepalived.conf names no
verdict, changes read "would have": that is how to try it.

With no daemon it shows what the files say.`,
		Example: `  nodeagent vip
  nodeagent vip -o json | jq '.instances[] | {name, state}'
  sudo nodeagent vip lint
  nodeagent vip config --interface eth0 --vrid 77 --vip 10.0.0.100/24`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		c, socket := g.client()
		defer c.Close()
		why := ""
		v, err := c.VIP(cmd.Context())
		if errors.Is(err, client.ErrNoDaemon) || errors.Is(err, client.ErrTimeout) {
			why = "no daemon answers (" + view.OneLine(socket) + "): this is what the files say"
			v, err = agent.VIPOnce(cmd.Context(), g.lenient()), nil
		}
		if err != nil {
			return err
		}
		if *output != asTable {
			return output.print(cmd.OutOrStdout(), v)
		}
		out := screenOf(cmd)
		for _, l := range wrap("", why, out.width) {
			fmt.Fprintln(out, out.painter.paint(toneDoubt, l))
		}
		_, err = fmt.Fprint(out, vipText(v, now(), out.width, out.painter))
		return err
	})
	cmd.AddCommand(newVIPLint(g), newVIPConfig(), newVIPHAProxy())
	return cmd
}

func newVIPLint(g *globals) *cobra.Command {
	var others []string
	cmd := &cobra.Command{
		Use:   "lint [FILE]",
		Short: "Find the mistakes of a keepalived.conf",
		Long: `lint reads a keepalived.conf, with what it includes, and says what keeps the VIP
from following health: file, line, what is wrong, and what to write. What it
can't judge it says. --other names the other nodes' files, so that priorities
and states are compared.

It exits with 1 if there is a mistake; warnings do not count.`,
		Example: `  sudo nodeagent vip lint
  nodeagent vip lint --other node2.conf --other node3.conf node1.conf`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringArrayVar(&others, "other", nil, "`FILE` of another node, to compare with")
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		path, o := agent.LintOptions(g.lenient())
		if len(args) == 1 {
			path = args[0]
		}
		for _, p := range append([]string{path}, others...) {
			whole, err := filepath.Abs(p)
			if err != nil {
				return err
			}
			o.Others = append(o.Others, whole)
		}
		path, o.Others = o.Others[0], o.Others[1:]
		problems, err := lint.File(path, o)
		if errors.Is(err, fs.ErrNotExist) {
			return &view.Error{Problem: "there is no " + path, Fix: "name the file: nodeagent vip lint FILE"}
		}
		if err != nil {
			return err
		}
		if *output != asTable {
			err = output.print(cmd.OutOrStdout(), append([]lint.Problem{}, problems...))
		} else {
			out := screenOf(cmd)
			_, err = fmt.Fprint(out, lintText(path, problems, out.width, out.painter))
		}
		if err != nil {
			return err
		}
		for _, p := range problems {
			if p.Severity == lint.Error {
				return exits(exitProblem)
			}
		}
		return nil
	})
	return cmd
}

// lintText lists problems, each with its fix.
func lintText(path string, problems []lint.Problem, width int, p painter) string {
	if len(problems) == 0 {
		return view.OneLine(path) + ": no mistakes\n"
	}
	text := ""
	for _, x := range problems {
		tone := map[lint.Severity]tone{lint.Error: toneBad, lint.Warning: toneDoubt}[x.Severity]
		text += p.paint(tone, x.Severity.String()) + " " + view.OneLine(x.Position.String()+" "+x.Rule) + "\n"
		for _, l := range append(wrap("    ", view.OneLine(x.Message), width), wrap("    -> ", view.OneLine(x.Fix), width)...) {
			text += l + "\n"
		}
	}
	return text
}
