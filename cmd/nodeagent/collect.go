package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/component/collect"
	"nodeagent/internal/component/doctor"
	"nodeagent/internal/view"
)

func newCollect(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "collect [FILE]",
		Short: "Write one file for support: status, events, logs, no secrets",
		Long: `collect writes what this node knows of itself into one file, mode 0600: status,
doctor, timeline, configuration, the journals of the node's units, the runtime's
state, the network, and the last logs of containers that failed. It works with
everything down, and is bounded in size and time.

Secrets are taken out: those that this node's files hold, wherever they occur,
and what looks like one. Look through it before you give it away nonetheless: a
container's log may hold anything.

FILE is nodeagent-NODE-TIME.tar.zst here if not given, - is stdout; a file that
exists is not written over.`,
		Example: `  sudo nodeagent collect
  sudo nodeagent collect - | ssh desk 'cat >node1.tar.zst'
  tar --zstd -tf nodeagent-node1-20260131T031200Z.tar.zst`,
		Args: cobra.MaximumNArgs(1),
	}
	timeout := cmd.Flags().Duration("timeout", 2*time.Minute, "how long all of it may take")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		if err := forRoot("journals and logs are root's to read"); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return runCollect(ctx, g, cmd, args)
	})
	return cmd
}

func runCollect(ctx context.Context, g *globals, cmd *cobra.Command, args []string) error {
	say := cmd.ErrOrStderr()
	fmt.Fprintln(say, "looking at the node")
	c, socket := g.client()
	s, why, err := statusOrLook(ctx, g, c, socket)
	c.Close()
	if err != nil {
		why = err.Error()
	}
	items, redactor := agent.CollectItems(g.agentOptions())
	s, why = redactStatus(s, redactor.Redact), string(redactor.Redact([]byte(why)))
	items = append(statusItems(s, why), items...)

	name := collectName(s.Node, now())
	file := name + ".tar.zst"
	if len(args) > 0 {
		file = args[0]
	}
	var out io.WriteCloser = os.Stdout
	if file != "-" {
		if out, err = os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
	}
	entries, err := collect.Write(ctx, out, items, collect.Options{Folder: name, Redact: redactor.Redact, Progress: func(done, of int, e collect.Entry) {
		fmt.Fprintf(say, "%3d/%d  %s\n", done, of, entryText(e))
	}})
	if file != "-" {
		err = errors.Join(err, out.Close())
	}
	if cmd.Context().Err() != nil {
		err = cmd.Context().Err()
	}
	if err != nil {
		if file != "-" {
			_ = os.Remove(file) // half of it helps nobody
		}
		return err
	}
	failed := 0
	for _, e := range entries {
		if e.Error != "" {
			failed++
		}
	}
	fmt.Fprintf(say, "%s: %s, %d of them incomplete or not on this node (index.json says why)\n", view.OneLine(file), plural(len(entries), "part"), failed)
	return nil
}

// collectName is the name of the bundle, without what can't be in a file's name.
func collectName(node string, at time.Time) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return -1
	}, strings.ToLower(node))
	if clean = strings.Trim(clean, "."); clean == "" {
		clean = "node"
	}
	return "nodeagent-" + clean + "-" + at.UTC().Format("20060102T150405Z")
}

// redactStatus takes secrets out of each text of a status by itself.
func redactStatus(s view.Status, redact func([]byte) []byte) view.Status {
	b, err := json.Marshal(s)
	var v any
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err == nil {
		b, err = json.Marshal(redactTexts(v, redact))
	}
	var out view.Status
	if err != nil || json.Unmarshal(b, &out) != nil {
		return view.Status{Node: s.Node, Time: s.Time} // a status is always JSON
	}
	return out
}

func redactTexts(v any, redact func([]byte) []byte) any {
	switch v := v.(type) {
	case string:
		return string(redact([]byte(v)))
	case []any:
		for i := range v {
			v[i] = redactTexts(v[i], redact)
		}
	case map[string]any:
		for k := range v {
			v[k] = redactTexts(v[k], redact)
		}
	}
	return v
}

// statusItems are the answers that the other commands would give, of a status without secrets.
func statusItems(s view.Status, why string) []collect.Item {
	text := func(body string) []byte {
		if why != "" {
			body = why + "\n" + body
		}
		return []byte(body)
	}
	item := func(name string, b []byte, err error) collect.Item {
		return collect.Item{Name: name, Clean: true, Read: func(context.Context) ([]byte, error) { return b, err }}
	}
	b, err := json.MarshalIndent(s, "", "  ")
	report := doctor.Examine(s)
	return []collect.Item{
		item("status.json", b, err),
		item("status.txt", text(statusText(s, now(), 100, painter{})), nil),
		item("doctor.txt", []byte(doctorText(report, why, 100, painter{})), nil),
		item("version.txt", []byte("nodeagent "+version+" "+revision()+"\n"), nil),
	}
}

func entryText(e collect.Entry) string {
	text := fmt.Sprintf("%-34s %9s %6.1fs", e.Name, sizeOf(e.Bytes), e.Took)
	if e.Error != "" {
		text += "  " + cut(view.OneLine(e.Error), 60)
	}
	return strings.TrimRight(text, " ")
}

func sizeOf(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
