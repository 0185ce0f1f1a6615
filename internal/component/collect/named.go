package collect

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// A text is searched for names with a value behind them, in the forms that files, logs and command lines have: YAML with its blocks and lists, JSON and
// JSON in JSON, TOML, environments, flags, headers. Where it is not clear how far a value goes, it goes further.

// How much of a list or an object is taken for the value of a name, and how far from the beginning of its line a name still is the first.
const (
	maxNested = 4 << 10
	maxIndent = 256
)

// span is where a value is in a text.
type span struct{ from, to int }

// eachSecret calls found for the value of each name that is one of a secret, in order.
func eachSecret(s string, found func(v span)) {
	last := 0 // what is before it was told
	for i := 0; i < len(s); i++ {
		var v span
		var ok bool
		switch s[i] {
		case ':', '=':
			v, ok = pairAt(s, last, i)
		case '-':
			if i == 0 || strings.IndexByte(" \t\n\r\"'=[(,", s[i-1]) >= 0 {
				v, ok = flagAt(s, i)
			}
		}
		if ok && v.to > v.from && v.from >= last {
			found(v)
			last = v.to
			i = v.to - 1
		}
	}
}

// redactNamed puts gone in the place of what eachSecret finds.
func redactNamed(s string) string {
	var b strings.Builder
	last := 0
	eachSecret(s, func(v span) {
		b.WriteString(s[last:v.from])
		b.WriteString(gone)
		last = v.to
	})
	if last == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// pairAt is the value behind the separator at sep, if the name before it is one of a secret.
func pairAt(s string, first, sep int) (span, bool) {
	end := sep
	for end > first && strings.IndexByte(" \t\"'\\", s[end-1]) >= 0 {
		end--
	}
	quoted := strings.ContainsAny(s[end:sep], `"'`)
	start := end
	for start > first && inName(s[start-1]) {
		start--
	}
	name := strings.TrimLeft(s[start:end], "-.")
	k := key{s: s, start: end - len(name), sep: sep, quoted: quoted, flag: start < end && s[start] == '-'}
	switch {
	case name == "":
		return span{}, false
	case isHeader(name):
		return k.line()
	case strings.EqualFold(name, "auth"): // of a registry: user:password in base64
		v, ok := k.value()
		return v, ok && isLogin(s[v.from:v.to])
	case strings.EqualFold(name, "value"): // of an environment's list
		v, ok := k.value()
		return v, ok && k.sibling(v)
	case isSecret(name) && !k.isHost():
		return k.value()
	}
	return span{}, false
}

// key is a name with a separator behind it.
type key struct {
	s          string
	start, sep int  // of the name, and of the separator
	quoted     bool // the name is
	flag       bool // it begins with a dash
}

// isHost tells of a name that is a host's, with its port or what became of it behind it: https://secrets:6443, dial tcp secrets:6443, lookup secrets: no
// such host.
func (k key) isHost() bool {
	before, after := k.s[:k.start], k.s[k.sep+1:]
	for _, b := range []string{"://", "tcp ", "udp ", "tcp4 ", "tcp6 "} {
		if !strings.HasSuffix(before, b) {
			continue
		}
		n := 0
		for n < len(after) && after[n] >= '0' && after[n] <= '9' {
			n++
		}
		return n > 0 && n < 6 && (n == len(after) || !inName(after[n]) && after[n] != '@')
	}
	if !strings.HasSuffix(before, "lookup ") {
		return false
	}
	for _, outcome := range []string{" no such host", " i/o timeout", " server misbehaving", " Temporary failure"} {
		if strings.HasPrefix(after, outcome) {
			return true
		}
	}
	return false
}

var (
	nameBefore = regexp.MustCompile(`(?:name|key|Name|Key)["'\\]*\s*[:=]\s*["'\\]*([A-Za-z0-9_.\-]+)["'\\]*\s*,?\s*["'\\]*$`)
	nameAfter  = regexp.MustCompile(`^["'\\]*\s*,?\s*["'\\]*(?:name|key|Name|Key)["'\\]*\s*[:=]\s*["'\\]*([A-Za-z0-9_.\-]+)`)
)

// sibling tells whether a value is of a list of names and values, and its name is one of a secret.
func (k key) sibling(v span) bool {
	if m := nameBefore.FindStringSubmatch(k.s[max(0, k.start-200):k.start]); m != nil {
		return isSecret(m[1])
	}
	m := nameAfter.FindStringSubmatch(k.s[v.to:min(len(k.s), v.to+200)])
	return m != nil && isSecret(m[1])
}

// isLogin tells of a text, perhaps in quotes, that is user:password in base64.
func isLogin(text string) bool {
	text = strings.Trim(text, `"'\`)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(text)
	}
	return err == nil && strings.IndexByte(string(b), ':') > 0
}

// eol is the end of the line that at is in.
func eol(s string, at int) int {
	if n := strings.IndexByte(s[at:], '\n'); n >= 0 {
		at += n
	} else {
		at = len(s)
	}
	for at > 0 && s[at-1] == '\r' {
		at--
	}
	return at
}

// column of the name in its line, and whether it is the first in it: behind blanks, the dash of a list, or "export".
func (k key) column() (n int, first bool) {
	from := max(0, k.start-maxIndent) // a line that is longer has other things in front
	begin := strings.LastIndexByte(k.s[from:k.start], '\n') + 1 + from
	if begin == from && from > 0 {
		return maxIndent, false
	}
	before := strings.TrimLeft(k.s[begin:k.start], " \t")
	before = strings.TrimRight(before, " \t\"'")
	return k.start - begin, before == "" || before == "-" || before == "- -" || before == "export"
}

// line is all that is behind the separator in its line.
func (k key) line() (span, bool) {
	at := skipBlanks(k.s, k.sep+1)
	return span{at, eol(k.s, at)}, true
}

func skipBlanks(s string, at int) int {
	for at < len(s) && (s[at] == ' ' || s[at] == '\t') {
		at++
	}
	return at
}

// value is how far the value behind the separator goes.
func (k key) value() (span, bool) {
	s, at := k.s, skipBlanks(k.s, k.sep+1)
	if at >= len(s) {
		return span{}, false
	}
	if to, ok := k.enclosed(); ok && to > at {
		return span{at, to}, true
	}
	_, first := k.column()
	switch c := s[at]; {
	case c == '\n' || c == '\r':
		return k.below(at)
	case c == '|' || c == '>':
		if isBlock(s, at) {
			end := eol(s, at)
			if v, ok := k.deeper(end); ok {
				end = v.to
			}
			return span{at, end}, true
		}
	case s[k.sep] == '=' && (strings.HasPrefix(s[at:], `"""`) || strings.HasPrefix(s[at:], "'''")): // TOML's of several lines
		if n := strings.Index(s[at+3:], s[at:at+3]); n >= 0 {
			return span{at, at + n + 6}, true
		}
		return span{at, len(s)}, true
	case c == '\\' && first && !k.quoted: // of YAML without quotes
	case c == '"' || c == '\'' || c == '\\':
		if to, ok := quotedEnd(s, at); ok {
			return span{at, to}, true
		}
		if c != '\\' { // one that is not closed in its line: what is deeper than the name may go on with it
			end := eol(s, at)
			if v, ok := k.deeper(end); ok {
				end = v.to
			}
			return span{at, end}, true
		}
	case c == '[' || c == '{':
		if to, ok := nestedEnd(s, at); ok {
			return span{at, to}, true
		}
		if c == '{' {
			return span{}, false // its own names are looked at
		}
		return span{at, eol(s, at)}, true
	}
	return k.plain(at)
}

// enclosed is where the quotes end that the name begins with, as "NAME=VALUE".
func (k key) enclosed() (int, bool) {
	if k.quoted || k.start == 0 || k.s[k.start-1] != '"' && k.s[k.start-1] != '\'' {
		return 0, false
	}
	open := k.start - 1
	for open > 0 && k.s[open-1] == '\\' {
		open--
	}
	to, ok := quotedEnd(k.s, open)
	if !ok {
		return 0, false
	}
	if k.s[to-1] == k.s[k.start-1] { // else something around it ended
		to -= k.start - open
	}
	return to, true
}

// isBlock tells of the | or > of YAML, with nothing but a remark behind it in its line.
func isBlock(s string, at int) bool {
	for at++; at < len(s) && strings.IndexByte("+-0123456789", s[at]) >= 0; at++ {
	}
	at = skipBlanks(s, at)
	return at == len(s) || strings.IndexByte("#\r\n", s[at]) >= 0
}

// plain is a value without quotes. The first name of a line has all of the line for its value.
func (k key) plain(at int) (span, bool) {
	s := k.s
	if _, first := k.column(); first && !k.quoted {
		to := eol(s, at)
		if c := strings.Index(s[at:to], " #"); c >= 0 {
			to = at + c
		}
		return span{at, len(strings.TrimRight(s[:to], " \t"))}, true
	}
	stop := " \t\n\r\"'"
	switch {
	case k.quoted:
		stop += ",}]"
	case k.start > 0 && s[k.start-1] == '\\': // YAML in a JSON string
		stop = "\n\r\"\\"
	case !k.flag:
		stop += "&"
	}
	to := at
	for to < len(s) && strings.IndexByte(stop, s[to]) < 0 {
		to++
	}
	return span{at, to}, true
}

// below is a value in the lines after the name's: all that is deeper than it, or the one word that is alone in the next line.
func (k key) below(at int) (span, bool) {
	end := eol(k.s, at)
	if v, ok := k.deeper(end); ok {
		return v, true
	}
	next := strings.IndexByte(k.s[end:], '\n')
	if next < 0 {
		return span{}, false
	}
	from := end + next + 1
	to := eol(k.s, from)
	word := k.s[from:max(from, to)]
	if word == "" || strings.ContainsAny(word, " \t:=[]{}") {
		return span{}, false
	}
	return span{from, to}, true
}

// deeper is what follows the line that ends at end and is indented more than the name, or as much with the dash of a list, without the first
// line's indentation.
func (k key) deeper(end int) (span, bool) {
	column, first := k.column()
	if !first {
		return span{}, false
	}
	v := span{from: -1}
	for at := end; ; {
		n := strings.IndexByte(k.s[at:], '\n')
		if n < 0 {
			break
		}
		from := at + n + 1
		to := eol(k.s, from)
		to = max(from, to)
		text := skipBlanks(k.s[:to], from)
		if text == to { // an empty line
			if from >= len(k.s) {
				break
			}
			at = to
			continue
		}
		if depth := text - from; depth < column || depth == column && !strings.HasPrefix(k.s[text:to], "- ") {
			break
		}
		if v.from < 0 {
			v.from = text
		}
		v.to, at = to, to
	}
	return v, v.from >= 0
}

// quotedEnd is the end of a text in quotes that begins at at, perhaps behind backslashes, as JSON in JSON has them; false where its line does not end it.
func quotedEnd(s string, at int) (int, bool) {
	open := at
	for open < len(s) && s[open] == '\\' {
		open++
	}
	if open == len(s) || s[open] != '"' && s[open] != '\'' {
		return 0, false
	}
	slashes, quote := open-at, s[open]
	run := 0 // backslashes before i
	for i := open + 1; i < len(s) && s[i] != '\n'; i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			run++
			continue
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == '\'': // YAML's way to write one
			i++
		case s[i] == quote && run < slashes: // the end of what it stands in
			return i - run, true
		case s[i] == quote && (run-slashes)%(2*(slashes+1)) == 0: // a backslash in it is 2*(slashes+1) of them
			return i + 1, true
		}
		run = 0
	}
	return 0, false
}

// nestedEnd is the end of a list or object that begins at at; false where it is longer than maxNested or does not end.
func nestedEnd(s string, at int) (int, bool) {
	depth := 0
	s = s[:min(len(s), at+maxNested)]
	for i := at; i < len(s); i++ {
		switch s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1, true
			}
		case '"', '\'', '\\':
			if to, ok := quotedEnd(s, i); ok {
				i = to - 1
			}
		}
	}
	return 0, false
}

// isFlag tells of a text that goes on with another flag.
func isFlag(s string) bool {
	s = strings.TrimLeft(s, `"'\`)
	name := strings.TrimLeft(s, "-")
	return len(name) < len(s) && name != "" && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z')
}

// flagAt is the value of the flag at at, which stands in the next word, the next text of a list in JSON, or the next line of one in YAML. One
// behind "=" is a pair's.
func flagAt(s string, at int) (span, bool) {
	start := at
	for start < len(s) && s[start] == '-' {
		start++
	}
	end := start
	for end < len(s) && inName(s[end]) {
		end++
	}
	if !isSecret(s[start:end]) || end == len(s) {
		return span{}, false
	}
	after := end
	for after < len(s) && strings.IndexByte("\"'\\", s[after]) >= 0 {
		after++
	}
	in := after > end // in quotes
	after = skipBlanks(s, after)
	switch {
	case after == len(s):
		return span{}, false
	case in && s[after] == ',':
		for after++; after < len(s) && strings.IndexByte(" \t\r\n", s[after]) >= 0; {
			after++
		}
	case s[after] == '\n' || s[after] == '\r':
		from := eol(s, after)
		if n := strings.IndexByte(s[from:], '\n'); n >= 0 {
			from += n + 1
		}
		text := skipBlanks(s, from)
		if !strings.HasPrefix(s[text:], "- ") {
			return span{}, false
		}
		text = skipBlanks(s, text+1)
		if isFlag(s[text:]) {
			return span{}, false
		}
		return span{text, eol(s, text)}, true
	case after == end: // "=", or the end of a sentence
		return span{}, false
	}
	if after == len(s) || isFlag(s[after:]) {
		return span{}, false
	}
	if to, ok := quotedEnd(s, after); ok {
		return span{after, to}, true
	}
	if s[after] == '[' || s[after] == '{' {
		if to, ok := nestedEnd(s, after); ok {
			return span{after, to}, true
		}
	}
	to := after
	for to < len(s) && strings.IndexByte(" \t\n\r", s[to]) < 0 {
		to++
	}
	return span{after, to}, true
}
