package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpFits: every command has an example and a short text, and its help fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return // cobra's own
		}
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s: no example or no short text", c.CommandPath())
		}
		var b bytes.Buffer
		c.SetOut(&b)
		if err := c.Help(); err != nil {
			t.Error(err)
		}
		for l := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > defaultWidth {
				t.Errorf("%s: %d characters: %s", c.CommandPath(), n, l)
			}
		}
		seen := map[string]bool{}
		for _, sub := range c.Commands() {
			if seen[sub.Name()] {
				t.Errorf("%s: %s is there twice", c.CommandPath(), sub.Name())
			}
			seen[sub.Name()] = true
			walk(sub)
		}
	}
	walk(newRoot())
}

// TestPageNamesCommands holds docs/cli.md against the commands there are.
func TestPageNamesCommands(t *testing.T) {
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "nodeagent ")
		if c.HasParent() && c.Parent().Name() == "config" {
			path = c.Name() // in one row
		}
		if c.RunE != nil && !c.HasSubCommands() && !regexp.MustCompile("`"+regexp.QuoteMeta(path)+"[` ]").Match(b) {
			t.Errorf("docs/cli.md does not have `%s`", path)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

func TestExitCodes(t *testing.T) {
	for line, want := range map[string]int{
		"version":                    exitOK,
		"config reference":           exitOK,
		"config check /dev/null":     exitBadConfig, // no regular file
		"no-such-command":            exitUnknown,
		"version --no-such-flag":     exitUnknown,
		"mute --socket /nonexistent": exitUnknown,
	} {
		root := newRoot()
		root.SetArgs(strings.Fields(line))
		root.SetOut(&bytes.Buffer{})
		cmd, err := root.ExecuteContextC(t.Context())
		if got := finish(cmd, err); got != want {
			t.Errorf("nodeagent %s: exit code %d, want %d (%v)", line, got, want, err)
		}
	}
}
