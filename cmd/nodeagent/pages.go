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

func writePages(out, date string) error {
	about := manpage.About{Date: date, Version: version, SeeAlso: []string{"nodeagent-config(5)", "nodeagent-check(8)"}}
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
