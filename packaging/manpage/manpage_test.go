package manpage

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func example() *cobra.Command {
	root := &cobra.Command{Use: "box", Short: "Keeps things", Long: "box keeps things.\n\n  as they are\n\n.not a macro, 100% \\ safe"}
	put := &cobra.Command{Use: "put THING", Short: "Put a thing in", Example: "  box put ~/a-b", Run: func(*cobra.Command, []string) {}}
	put.Flags().Duration("for", 0, "`DURATION` of it")
	put.Flags().StringP("output", "o", "table", "`FORMAT` of the answer")
	put.Flags().Bool("secret", false, "")
	put.Flags().Lookup("secret").Hidden = true
	hidden := &cobra.Command{Use: "inner", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(put, hidden)
	return root
}

func TestCommands(t *testing.T) {
	pages := Commands(example(), About{Date: "2026-01-31", Version: "1.0~2", Facts: []Section{{"FILES", [][2]string{{"/etc/a-b", "its box"}}}}, SeeAlso: []string{"box-file(5)"}})
	if len(pages) != 2 || pages[0].File != "box.8" || pages[1].File != "box-put.1" {
		t.Fatalf("pages are %+v", pages)
	}
	for text, page := range map[string]string{
		".TH \"BOX\" \"8\" \"2026-01-31\" \"nodeagent 1.0\\(ti2\"\n":                            pages[0].Roff,
		"box \\- keeps things\n":                                                                pages[0].Roff,
		".nf\n  as they are\n.fi\n":                                                             pages[0].Roff,
		"\n\\&.not a macro, 100% \\e safe\n":                                                    pages[0].Roff,
		".B box put\nPut a thing in.\n":                                                         pages[0].Roff,
		".SH FILES\n.TP\n.B /etc/a\\-b\nits box\n.SH SEE ALSO\n":                                pages[0].Roff,
		".BR box\\-file (5),\n.BR box\\-put (1)\n":                                              pages[0].Roff,
		".B box put THING":                                                                      pages[1].Roff,
		"\\fB\\-\\-for\\fR \\fIDURATION\\fR\nDURATION of it\n":                                  pages[1].Roff,
		"\\fB\\-o, \\-\\-output\\fR \\fIFORMAT\\fR\nFORMAT of the answer (table unless told)\n": pages[1].Roff,
		"  box put \\(ti/a\\-b\n":                                                               pages[1].Roff,
	} {
		if !strings.Contains(page, text) {
			t.Errorf("no %q in\n%s", text, page)
		}
	}
	for _, p := range pages {
		if strings.Contains(p.Roff, "secret") || strings.Contains(p.Roff, "inner") {
			t.Errorf("%s shows what is hidden", p.File)
		}
	}
}

func TestConfig(t *testing.T) {
	p, err := Config("## Of a box.\n## Read it.\n\n## Things.\n# things:\n##   Size, 1 to 2.\n#   size: 1\n", About{})
	if err != nil {
		t.Fatal(err)
	}
	want := ".SH DESCRIPTION\nOf a box.\nRead it.\n.SH KEYS\nThings.\n.RS\n.nf\nthings:\n.fi\n.RE\n.PP\nSize, 1 to 2.\n.RS\n.nf\n  size: 1\n.fi\n.RE\n"
	if !strings.Contains(p.Roff, want) {
		t.Errorf("got\n%s\nwant in it\n%s", p.Roff, want)
	}
	if _, err := Config("size: 1", About{}); err == nil {
		t.Error("a line that is neither prose nor key was taken")
	}
}
