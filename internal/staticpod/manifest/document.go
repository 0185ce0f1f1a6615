package manifest

import "bytes"

// document is one YAML or JSON document of a file.
type document struct {
	number int // from 1, empty documents counted
	line   int // line of the file on which text begins, from 1
	text   []byte
	empty  bool // nothing but comments, blank lines and markers
}

// split cuts a file at its document markers. A line that begins with --- or ... is a marker wherever it stands: YAML
// forbids it inside a scalar at column 1. Each part keeps the --- in front of it, because content may follow on that line.
// Cutting first means that a syntax error in one document hides no fault of another. It stops after limit documents.
func split(data []byte, limit int) []document {
	var out []document
	start, startLine := 0, 1
	marked := false // the part begins with its own ---
	content, directive := false, false
	end := func(at int) {
		// What stands before the first --- of a document is a document only if there is more than comments and
		// directives, which belong to what follows.
		if content || marked {
			out = append(out, document{number: len(out) + 1, line: startLine, text: data[start:at], empty: !content})
		}
	}
	line := 1
	for at := 0; at < len(data) && len(out) < limit; line++ {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		text := data[at:next]
		if at == 0 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		switch {
		case marker(text, "---"):
			if content || marked || !directive {
				end(at)
				start, startLine = at, line
			}
			marked, directive = true, false
			rest := bytes.TrimSpace(text[3:])
			content = len(rest) > 0 && rest[0] != '#'
		case marker(text, "..."):
			end(at)
			start, startLine, marked, content, directive = next, line+1, false, false, false
		default:
			rest := bytes.TrimSpace(text)
			switch {
			case len(rest) == 0 || rest[0] == '#' && !content:
			case text[0] == '%' && !content && !marked:
				directive = true
			default:
				content = true
			}
		}
		at = next
	}
	if len(out) < limit {
		end(len(data))
	}
	return out
}

// marker tells whether a line is the document marker m: at column 1, followed by white space or the end.
func marker(line []byte, m string) bool {
	if !bytes.HasPrefix(line, []byte(m)) {
		return false
	}
	return len(line) == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\n' || line[3] == '\r'
}
