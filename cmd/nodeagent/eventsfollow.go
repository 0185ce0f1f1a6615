package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"nodeagent/internal/api/client"
	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// followEvents prints what was listed and then what happens, until Ctrl-C. While no daemon answers nothing is written to the timeline either,
// so that nothing is missed.
func (g *globals) followEvents(cmd *cobra.Command, f format, s screen, from time.Time, listed []event.Event) error {
	show := func(list []event.Event) error { return showEvents(f, s, list) }
	c, _ := g.client()
	defer c.Close()
	err := follows(cmd.Context(), c.EventsAfter, from, listed, show, func(err error) {
		fmt.Fprintln(cmd.ErrOrStderr(), "the daemon is gone, waiting for it: "+view.OneLine(err.Error()))
	})
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// follows shows what was listed, which is what there is from a time on, and then every event after it. It ends with ctx, with an error of show, or with one that no waiting will mend.
func follows(ctx context.Context, after func(context.Context, uint64) ([]event.Event, error), from time.Time, listed []event.Event, show func([]event.Event) error, lost func(error)) error {
	if err := show(listed); err != nil {
		return err
	}
	seq := uint64(0)
	if len(listed) > 0 {
		seq = listed[len(listed)-1].Seq
	}
	isLost := false
	for ctx.Err() == nil {
		list, err := after(ctx, seq)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, client.ErrPermission):
			return err
		case err != nil:
			if !isLost {
				isLost = true
				lost(err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(retryEvery):
			}
			continue
		}
		isLost = false
		if len(list) == 0 {
			continue
		}
		seq = list[len(list)-1].Seq
		list = slices.DeleteFunc(list, func(e event.Event) bool { return e.Time.Before(from) }) // where nothing was listed, all comes
		if err := show(list); err != nil {
			return err
		}
	}
	return nil
}

func showEvents(f format, s screen, list []event.Event) error {
	switch f {
	case asJSON:
		e := json.NewEncoder(s)
		for _, x := range list {
			if err := e.Encode(x); err != nil {
				return err
			}
		}
		return nil
	case asYAML:
		if len(list) == 0 {
			return nil
		}
		return f.print(s, list)
	}
	for _, e := range list {
		if _, err := fmt.Fprintln(s, eventLine(e, s.width)); err != nil {
			return err
		}
	}
	return nil
}

// eventLine is one event, in columns that do not depend on the others.
func eventLine(e event.Event, width int) string {
	pad := func(text string, n int) string {
		text = cut(view.OneLine(text), n)
		return text + strings.Repeat(" ", n-utf8.RuneCountInString(text))
	}
	head := e.Time.Local().Format("01-02 15:04:05") + "  " + pad(e.Kind, 9) + "  " + pad(e.Subject, 22) + "  "
	return head + cut(view.OneLine(e.Message), max(20, width-utf8.RuneCountInString(head)))
}
