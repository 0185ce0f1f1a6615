package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"
)

// tone is an SGR attribute (ECMA-48) of the terminal.
type tone string

const (
	toneTitle tone = "1"    // bold
	toneBad   tone = "1;31" // red
	toneDoubt tone = "1;33" // yellow
	toneGood  tone = "32"   // green
	toneMuted tone = "2"    // faint
)

// painter colours text, or leaves it as it is.
type painter struct{ on bool }

func (p painter) paint(t tone, s string) string {
	if !p.on || t == "" || s == "" {
		return s
	}
	return "\x1b[" + string(t) + "m" + s + "\x1b[0m"
}

// defaultWidth of what is printed to no terminal, in characters.
const defaultWidth = 80

// screen is where tables go.
type screen struct {
	io.Writer
	terminal      bool
	width, height int
	painter       painter
}

// screenOf measures stdout. NO_COLOR is https://no-color.org; COLUMNS sets the width where there is no terminal.
func screenOf(cmd *cobra.Command) screen {
	s := screen{Writer: cmd.OutOrStdout(), width: defaultWidth}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 40 {
		s.width = n
	}
	if s.Writer != os.Stdout {
		return s
	}
	ws, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return s
	}
	s.terminal, s.height = true, int(ws.Row)
	if ws.Col > 0 {
		s.width = max(40, int(ws.Col))
	}
	s.painter.on = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// format is the value of -o.
type format string

const (
	asTable format = "table"
	asJSON  format = "json"
	asYAML  format = "yaml"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }
func (f *format) Set(s string) error {
	switch format(s) {
	case asTable, asJSON, asYAML:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("want table, json or yaml")
}

// outputFlag adds -o to a command.
func outputFlag(cmd *cobra.Command) *format {
	f := asTable
	cmd.Flags().VarP(&f, "output", "o", "`FORMAT`: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// print writes a value as JSON or YAML.
func (f format) print(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil && f == asYAML {
		b, err = yaml.JSONToYAML(b)
	} else {
		b = append(b, '\n')
	}
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = w.Write(b)
	return err
}
