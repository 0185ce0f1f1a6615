package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/config"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

func newSetup(g *globals) *cobra.Command {
	undo, dry := false, false
	cmd := &cobra.Command{
		Use:   "setup run|companion",
		Short: "Lay one of the two profiles",
		Long: `setup makes the installed unit and the configuration fit each other.

companion is for a node with a kubelet: the agent looks, and its unit has no
capabilities and writes in its own folders alone. The packages install it so.

run is for a node without one: the agent runs the static pods of its manifest
folder. Its unit may mount and chown, and has the node's file system.

It lays a drop-in of the unit and a file of config.d, says which, and restarts
the agent if it runs. --undo takes the last setup back.`,
		Example: `  nodeagent setup run --dry-run
  sudo nodeagent setup run
  sudo nodeagent setup --undo`,
		ValidArgs: []string{"run", "companion"},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "take the last setup back")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would change, and change nothing")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if undo {
			return cobra.NoArgs(cmd, args)
		}
		return cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)(cmd, args)
	}
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		if !dry {
			if err := forRoot("setup lays files in /etc"); err != nil {
				return err
			}
		}
		stateDir := g.lenient().StateDir
		changes, err := setupChanges(stateDir, args, undo)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			return say(cmd, "nothing to change")
		}
		for _, c := range changes {
			text := c.text()
			if dry {
				text = "would " + text
			}
			if err := say(cmd, text); err != nil {
				return err
			}
		}
		if warning := warnOfKubelet(args, kubelet.Find("/")); warning != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), warning)
		}
		if dry {
			return say(cmd, "would run systemctl daemon-reload, and restart nodeagent if it runs")
		}
		return doSetup(cmd, g, stateDir, changes, args)
	})
	return cmd
}

// warnOfKubelet is said before run mode is set up where a kubelet is or may come back: the agent will start nothing there.
func warnOfKubelet(args []string, f kubelet.Facts) string {
	if len(args) != 1 || args[0] != "run" || len(f.Evidence) == 0 {
		return ""
	}
	return fmt.Sprintf("warning: a kubelet is here or may come back (%s): the agent will start no pod until it is gone; `nodeagent check RunMode` says when", view.OneLine(f.Evidence[0]))
}

func setupChanges(stateDir string, args []string, undo bool) ([]change, error) {
	if !undo {
		want := profile(args[0])
		if link := want[setupDropIn].Link; link != "" {
			if _, err := os.Stat(link); err != nil {
				return nil, &view.Error{Problem: fmt.Sprintf("the profile is not installed: %v", err), Fix: "install the package, or lay packaging/systemd/profiles there"}
			}
		}
		now, err := readEntries(setupDropIn, setupConfig)
		if err != nil {
			return nil, err
		}
		return planSetup(want, now), nil
	}
	done, err := loadSetup(stateDir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, c := range done {
		paths = append(paths, c.Path)
	}
	now, err := readEntries(paths...)
	if err != nil {
		return nil, err
	}
	return planUndo(done, now)
}

// doSetup lays changes, and takes them back if the configuration would not hold with them. args is empty for an undo.
func doSetup(cmd *cobra.Command, g *globals, stateDir string, changes []change, args []string) error {
	if err := layAll(changes); err != nil {
		return err
	}
	if len(args) == 1 {
		if err := holds(g, args[0]); err != nil {
			undo, _ := planUndo(changes, after(changes)) // they are as they were just laid
			return errors.Join(err, layAll(undo))
		}
		if err := saveSetup(stateDir, changes); err != nil {
			return err
		}
	} else if err := os.Remove(filepath.Join(stateDir, setupRecord)); err != nil {
		return err
	}
	text, err := restartUnit(cmd.Context())
	if err != nil {
		return err
	}
	return say(cmd, text)
}

func after(changes []change) map[string]entry {
	out := map[string]entry{}
	for _, c := range changes {
		out[c.Path] = c.After
	}
	return out
}

// holds reports whether the files say the mode that was set up: one that is read later may win.
func holds(g *globals, mode string) error {
	l, err := config.Load(g.configOptions())
	if err != nil {
		return &agent.ConfigError{Err: err}
	}
	if l.Config.StaticPods.Mode != mode {
		return &view.Error{Problem: fmt.Sprintf("another file says staticPods.mode: %s and wins; nothing was changed", l.Config.StaticPods.Mode),
			Fix: "see which with `nodeagent config print`, and take it out there"}
	}
	return nil
}
