package manpage

import (
	"regexp"
	"strings"
)

// escape makes a text say itself: roff reads \ anywhere, and . and ' at the start of a line. A "-" that is typed must be ASCII's.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// title is the first line of a page. date is a day, as 2026-01-31.
func title(b *strings.Builder, name, section, date, version string) {
	b.WriteString(`.TH "` + strings.ToUpper(escape(name)) + `" "` + section + `" "` + date + `" "nodeagent ` + escape(version) + "\"\n")
}

// page is a whole page: a heading begins a paragraph by itself.
func page(file string, b *strings.Builder) Page {
	return Page{File: file, Roff: afterHeading.ReplaceAllString(b.String(), "$1")}
}

var afterHeading = regexp.MustCompile(`(?m)^(\.SH .*\n)\.PP\n`)

func heading(b *strings.Builder, text string) { b.WriteString(".SH " + text + "\n") }

// asIs keeps the lines of a text as they are.
func asIs(b *strings.Builder, text string) {
	b.WriteString(".PP\n.nf\n" + escape(strings.TrimRight(text, "\n")) + "\n.fi\n")
}

// prose fills paragraphs; one whose first line is indented keeps its lines.
func prose(b *strings.Builder, text string) {
	for p := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(p, " ") || strings.Contains(p, "\n ") {
			asIs(b, p)
			continue
		}
		b.WriteString(".PP\n" + escape(p) + "\n")
	}
}
