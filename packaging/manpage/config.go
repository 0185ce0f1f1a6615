package manpage

import (
	"fmt"
	"strings"
)

// Config gives the page nodeagent-config(5) from the configuration's reference: its "## " lines are prose, its "# " lines keys with their
// defaults.
func Config(reference string, a About) (Page, error) {
	var b strings.Builder
	title(&b, "nodeagent-config", "5", a.Date, a.Version)
	heading(&b, "NAME")
	b.WriteString("nodeagent\\-config \\- configuration of nodeagent\n")
	heading(&b, "SYNOPSIS")
	b.WriteString(".I /etc/nodeagent/config.yaml\n.br\n.I /etc/nodeagent/config.d/*.yaml\n")
	heading(&b, "DESCRIPTION")
	for i, block := range strings.Split(strings.Trim(reference, "\n"), "\n\n") {
		if err := keys(&b, block); err != nil {
			return Page{}, fmt.Errorf("block %d of the reference: %w", i+1, err)
		}
		if i == 0 {
			heading(&b, "KEYS")
		}
	}
	heading(&b, "SEE ALSO")
	b.WriteString(".BR nodeagent (8),\n.BR nodeagent\\-config\\-check (1),\n.BR nodeagent\\-config\\-print (1)\n")
	return page("nodeagent-config.5", &b), nil
}

// keys writes one block: prose, then the keys that it is about, and so on.
func keys(b *strings.Builder, block string) error {
	var text, code []string
	flush := func() {
		if len(text) > 0 {
			b.WriteString(".PP\n" + escape(strings.Join(text, "\n")) + "\n")
		}
		if len(code) > 0 {
			b.WriteString(".RS\n.nf\n" + escape(strings.Join(code, "\n")) + "\n.fi\n.RE\n")
		}
		text, code = nil, nil
	}
	for line := range strings.SplitSeq(block, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(trimmed, "##"):
			if len(code) > 0 {
				flush()
			}
			text = append(text, strings.TrimLeft(trimmed, "# "))
		case strings.HasPrefix(trimmed, "# "):
			code = append(code, strings.TrimPrefix(trimmed, "# "))
		default:
			return fmt.Errorf("neither prose (##) nor a key (#): %q", line)
		}
	}
	flush()
	return nil
}
