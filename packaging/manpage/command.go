package manpage

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page is one manual page.
type Page struct {
	File string // as nodeagent-status.1
	Roff string
}

// About is what every page says.
type About struct {
	Date    string // a day, as 2026-01-31
	Version string // of the program
	// Of the root's page alone:
	Facts   []Section
	SeeAlso []string // other pages, as nodeagent-config(5)
}

// Section of a page is a list of terms, each with its text.
type Section struct {
	Heading string
	Terms   [][2]string
}

// Commands gives a page for the root, in section 8, and one for each command below it, in section 1. Hidden commands and cobra's own have
// none.
func Commands(root *cobra.Command, a About) []Page {
	var out []Page
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		out = append(out, command(c, a))
		for _, sub := range below(c) {
			walk(sub)
		}
	}
	walk(root)
	return out
}

func below(c *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			out = append(out, sub)
		}
	}
	return out
}

func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func section(c *cobra.Command) string {
	if c.HasParent() {
		return "1"
	}
	return "8"
}

func command(c *cobra.Command, a About) Page {
	var b strings.Builder
	title(&b, name(c), section(c), a.Date, a.Version)
	heading(&b, "NAME")
	b.WriteString(escape(name(c)) + ` \- ` + escape(strings.ToLower(c.Short[:1])+c.Short[1:]) + "\n")
	heading(&b, "SYNOPSIS")
	b.WriteString(".B " + escape(use(c)) + "\n")
	heading(&b, "DESCRIPTION")
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	prose(&b, long)
	if subs := below(c); len(subs) > 0 {
		heading(&b, "COMMANDS")
		for _, sub := range subs {
			b.WriteString(".TP\n.B " + escape(sub.CommandPath()) + "\n" + escape(sub.Short) + ".\n")
		}
	}
	options(&b, "OPTIONS", c.NonInheritedFlags())
	options(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	if !c.HasParent() {
		for _, f := range a.Facts {
			heading(&b, f.Heading)
			for _, term := range f.Terms {
				b.WriteString(".TP\n.B " + escape(term[0]) + "\n" + escape(term[1]) + "\n")
			}
		}
	}
	if c.Example != "" {
		heading(&b, "EXAMPLES")
		asIs(&b, c.Example)
	}
	heading(&b, "SEE ALSO")
	b.WriteString(strings.Join(seeAlso(c, a), ",\n") + "\n")
	return page(name(c)+"."+section(c), &b)
}

func use(c *cobra.Command) string {
	if below := below(c); len(below) > 0 {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

func seeAlso(c *cobra.Command, a About) []string {
	var out []string
	add := func(name, section string) { out = append(out, ".BR "+escape(name)+" ("+section+")") }
	if c.HasParent() {
		add(name(c.Parent()), section(c.Parent()))
	}
	for _, sub := range below(c) {
		add(name(sub), section(sub))
	}
	if !c.HasParent() {
		for _, page := range a.SeeAlso {
			n, s, _ := strings.Cut(page, "(")
			add(n, strings.TrimSuffix(s, ")"))
		}
	}
	slices.Sort(out)
	return out
}

func options(b *strings.Builder, head string, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" || f.Name == "help" {
			return
		}
		if first {
			heading(b, head)
			first = false
		}
		kind, usage := pflag.UnquoteUsage(f)
		line := "--" + f.Name
		if f.Shorthand != "" {
			line = "-" + f.Shorthand + ", " + line
		}
		b.WriteString(".TP\n\\fB" + escape(line) + "\\fR")
		if kind != "" {
			b.WriteString(" \\fI" + escape(kind) + "\\fR")
		}
		b.WriteString("\n" + escape(usage))
		switch f.DefValue {
		case "", "false", "0", "0s", "[]":
		default:
			b.WriteString(" (" + escape(f.DefValue) + " unless told)")
		}
		b.WriteString("\n")
	})
}
