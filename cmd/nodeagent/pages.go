//go:build pages

// With the tag pages this is no agent: it writes the manual pages and the shell completions of one, for `make package`.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"nodeagent/internal/config"
	"nodeagent/packaging/manpage"
)

func main() {
	out := flag.String("out", "", "the `FOLDER` that man and completion are made in")
	date := flag.String("date", "", "the `DAY` of the pages, as 2026-01-31")
	flag.Parse()
	if err := writePages(*out, *date); err != nil {
		fmt.Fprintln(os.Stderr, "pages:", err)
		os.Exit(1)
	}
}

// facts are what nodeagent(8) says beside the commands.
var facts = []manpage.Section{
	{Heading: "FILES", Terms: [][2]string{
		{"/etc/nodeagent/config.yaml", "the configuration; /etc/nodeagent/config.d/*.yaml is read over it"},
		{"/etc/nodeagent/manifests", "static pods of run mode"},
		{"/var/lib/nodeagent", "the state: identity, last accepted configuration, timeline, volumes of pods"},
		{"/run/nodeagent/nodeagent.sock", "the socket that commands ask; members of the group nodeagent may look"},
		{"/run/nodeagent/verdict", "verdicts for keepalived: a file and a socket each"},
		{"/usr/share/nodeagent", "profiles of the unit, rules for Prometheus, dashboards for Grafana"},
		{"/usr/share/doc/nodeagent", "install.md, upgrade.md, a page for each subject, examples"},
	}},
	{Heading: "ENVIRONMENT", Terms: [][2]string{
		{"NODEAGENT_SOCKET", "path of the daemon's socket, for commands"},
		{"NO_COLOR, COLUMNS, TERM", "how commands write to a terminal"},
	}},
	{Heading: "SIGNALS", Terms: [][2]string{
		{"SIGHUP", "the daemon reads its configuration again; nodeagent reload waits for the outcome"},
		{"SIGTERM, SIGINT", "it ends, and leaves the pods as they are"},
		{"SIGQUIT, SIGABRT", "it ends with a dump of all goroutines, for a report of a fault"},
	}},
}

func writePages(out, date string) error {
	about := manpage.About{Date: date, Version: version, Facts: facts, SeeAlso: []string{"nodeagent-config(5)", "nodeagent-check(8)"}}
	settings, err := manpage.Config(string(config.Reference()), about)
	if err != nil {
		return err
	}
	for _, p := range append(manpage.Commands(newRoot(), about), settings) {
		if err := writePage(filepath.Join(out, "man"), p.File, []byte(p.Roff)); err != nil {
			return err
		}
	}
	for shell, generate := range map[string]func(io.Writer) error{
		"bash": func(w io.Writer) error { return newRoot().GenBashCompletionV2(w, true) },
		"zsh":  newRoot().GenZshCompletion,
		"fish": func(w io.Writer) error { return newRoot().GenFishCompletion(w, true) },
	} {
		var b bytes.Buffer
		if err := generate(&b); err != nil {
			return fmt.Errorf("completion for %s: %w", shell, err)
		}
		if err := writePage(filepath.Join(out, "completion"), shell, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func writePage(dir, name string, content []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), content, 0o644)
}
