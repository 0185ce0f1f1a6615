package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/view"
)

func newCanary(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "canary",
		Short: "Start and end a container through each runtime handler",
		Long: `canary starts a container through each runtime handler (runc, crun ...), runs a
command in it, stops and removes it, and shows how long each step took, and on
stderr meanwhile where it is. The program is this very binary; no image is
pulled and nothing is left.

PATH is cri where no kubelet is, with the runtime's own pause image. A kubelet
kills what it does not know, so beside one containerd's own API is used: native,
which tests shim and OCI runtime alone. Times of the two can't be compared. It
exits with 1 if a handler failed, 2 if nothing could be tried.`,
		Example: `  sudo nodeagent canary
  sudo nodeagent canary -o json | jq '.[] | select(.ok | not)'`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if err := forRoot("containers are root's to start"); err != nil {
			return err
		}
		p := progressOf(cmd)
		results, err := agent.Canary(cmd.Context(), g.lenient(), p.at)
		p.end()
		if err != nil && len(results) == 0 {
			return err
		}
		if *output != asTable {
			if err := output.print(cmd.OutOrStdout(), results); err != nil {
				return err
			}
		} else {
			out := screenOf(cmd)
			fmt.Fprint(out, canaryText(results, out.width, out.painter))
		}
		if err != nil {
			return err
		}
		return exits(canaryCode(results))
	})
	return cmd
}

// canaryText is a table of the steps, in milliseconds, with the error of a handler below it.
func canaryText(results []view.Canary, width int, p painter) string {
	columns := []column{{title: "HANDLER", min: 7}, {title: "PATH"}, {title: "RESULT"}}
	names := []string{"sandbox", "create", "start", "exec", "stop", "remove"}
	for _, n := range names {
		columns = append(columns, column{title: strings.ToUpper(n)})
	}
	var rows []row
	steps := false
	for _, r := range results {
		cells := []string{view.OneLine(r.Handler), r.Path, "ok"}
		x := row{}
		switch {
		case r.Off != "":
			cells[2] = "off"
			x.below = wrap("  ", view.OneLine(r.Off), width)
		case !r.OK:
			cells[2], x.tone = "failed", toneBad
			x.below = wrap("  ", view.OneLine(r.Error), width)
		}
		for _, n := range names {
			cell := ""
			for _, s := range r.Steps {
				if s.Name == n {
					cell, steps = fmt.Sprintf("%.0f", 1000*s.Seconds), true
				}
			}
			cells = append(cells, cell)
		}
		x.cells = cells
		rows = append(rows, x)
	}
	if len(rows) == 0 {
		return "the runtime has no handlers\n"
	}
	text := table(columns, rows, width, p)
	if steps {
		text += "Steps in milliseconds.\n"
	}
	return text
}

// canaryCode is 1 if a handler failed, 2 if none was tried.
func canaryCode(results []view.Canary) int {
	code := exitUnknown
	for _, r := range results {
		switch {
		case r.Off != "":
		case !r.OK:
			return exitProblem
		default:
			code = exitOK
		}
	}
	return code
}
