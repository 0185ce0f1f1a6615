package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/api/client"
	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

func newEvents(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened on this node",
		Long: `events shows the node's timeline, oldest first: conditions that changed,
containers that ended, what the agent did. It is asked of the daemon; with none,
it is read from the state folder, which needs root.

With --logs, as root, the last lines that a container wrote stand below its end:
they may hold secrets, and are read from the state folder, never asked of the
daemon. -o json prints one object a line. -f goes on, over restarts of the
daemon too.`,
		Example: `  nodeagent events --since 3h
  nodeagent events -f --since 10m
  sudo nodeagent events --logs --since 1h
  nodeagent events --since 2026-01-31T22:00:00+01:00
  nodeagent events --since 0 -o json | jq 'select(.kind == "exit")'`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	from := cmd.Flags().String("since", "24h", "`TIME`: 3h, an RFC 3339 moment, 0 for all")
	following := cmd.Flags().BoolP("follow", "f", false, "go on showing what happens until Ctrl-C")
	logs := cmd.Flags().Bool("logs", false, "the last log lines under each end of a container (root)")
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		t, err := parseSince(*from, now())
		if err != nil {
			return wrong("%w", err)
		}
		var list []event.Event
		if *logs && *following {
			return wrong("--logs reads the state folder once; with --follow the daemon is asked, which does not tell what containers wrote")
		}
		if *logs {
			list, err = g.withLogs(t)
		} else {
			list, err = g.events(cmd.Context(), cmd.ErrOrStderr(), t)
		}
		if err != nil {
			return err
		}
		s := screenOf(cmd)
		if *following {
			return g.followEvents(cmd, *output, s, t, list)
		}
		switch {
		case *output == asJSON:
			e := json.NewEncoder(s)
			for _, x := range list {
				if err := e.Encode(x); err != nil {
					return err
				}
			}
			return nil
		case *output == asYAML:
			return output.print(s, append([]event.Event{}, list...))
		case len(list) == 0:
			return say(cmd, "no events since "+t.Local().Format(time.DateTime)+"; --since 0 shows all")
		}
		_, err = fmt.Fprint(s, eventTable(list, s.width, s.painter))
		return err
	})
	return cmd
}

// events asks the daemon, or reads its ring where it does not answer.
func (g *globals) events(ctx context.Context, notes io.Writer, t time.Time) ([]event.Event, error) {
	c, _ := g.client()
	defer c.Close()
	list, err := c.Events(ctx, t)
	var refused *view.Error
	if err == nil || errors.As(err, &refused) || errors.Is(err, context.Canceled) {
		return list, err
	}
	dir := g.lenient().StateDir
	list, readErr := event.Since(dir, t)
	for i := range list {
		list[i].Log = "" // for who asks for it
	}
	switch {
	case errors.Is(readErr, fs.ErrPermission) && errors.Is(err, client.ErrPermission):
		return nil, err
	case errors.Is(readErr, fs.ErrPermission):
		return nil, &view.Error{Problem: "no daemon answers, and the timeline in " + dir + " is root's", Fix: "run it with sudo, or start the daemon: `systemctl start nodeagent`"}
	case readErr != nil:
		return nil, errors.Join(err, readErr)
	}
	fmt.Fprintf(notes, "no daemon answers: read from %s\n", view.OneLine(dir))
	return list, nil
}

// parseSince reads the value of --since.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "0" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %q is no time: give 90m, 3h, 2026-01-31T22:00:00+01:00 or 0", view.OneLine(s))
}

var eventColumns = []column{{title: "TIME"}, {title: "KIND"}, {title: "SUBJECT", min: 20}, {title: "MESSAGE", min: 30}}

func eventTable(list []event.Event, width int, p painter) string {
	var rows []row
	for _, e := range list {
		rows = append(rows, row{cells: []string{e.Time.Local().Format("01-02 15:04:05"), view.OneLine(e.Kind), view.OneLine(e.Subject), view.OneLine(e.Message)},
			below: logText(e.Log, "  ", width)})
	}
	return table(eventColumns, rows, width, p)
}
