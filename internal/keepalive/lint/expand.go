package lint

import (
	"math/rand/v2"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// expander applies comments, @conditions, $PARAMETERS and ~SEQ to lines, as keepalived.conf(5) tells under ADVANCED CONFIGURATION.
type expander struct {
	id   string // the config-id
	defs map[string][]line
	into string // the multi-line definition that is being read; empty: none
	n    int    // lines emitted
	work int    // bytes looked at: definitions that double one another make much of little
	emit func(line)
	note func(*Rule, Position, string, ...any)
	full bool
}

var (
	defines    = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)
	refers     = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)( +[0-9]+)?( +[0-9]+)?\}|\$([A-Za-z_][A-Za-z0-9_]*)(\s|$)`)
	sequence   = regexp.MustCompile(`^~SEQ(x?)\(([^()]*)\)(.*)$`)
	conditions = regexp.MustCompile(`^@(\^?)(\S*)\s*(.*)$`)
)

// maxWork is several times what the largest configuration needs.
const maxWork = 64 << 20

// Nested parameters, and replacements in one line: definitions may refer to themselves.
const (
	maxNesting      = 32
	maxReplacements = 200
)

// line takes one line of a file. It answers false once there are too many.
func (x *expander) line(l line) bool {
	if x.into != "" {
		x.continued(l)
		return !x.full
	}
	l.text = strings.TrimSpace(decomment(l.text))
	x.expand(l, 0)
	return !x.full
}

func (x *expander) spend(l line, n int) {
	if x.work += n; x.work > maxWork && !x.full {
		x.note(ruleTooLarge, l.pos, "its parameters make too much of it: it is read no further")
		x.full = true
	}
}

// continued takes a line of a multi-line definition.
func (x *expander) continued(l line) {
	text := strings.TrimSpace(decomment(l.text))
	body, more := strings.CutSuffix(text, `\`)
	if body = strings.TrimSpace(body); body != "" {
		x.defs[x.into] = append(x.defs[x.into], line{l.pos, body})
	}
	if !more && text != "" { // an empty line does not end it: keepalived's own example has some
		x.into = ""
	}
}

func (x *expander) expand(l line, depth int) {
	x.spend(l, len(l.text)+256) // about what a line costs beside its bytes
	switch {
	case l.text == "" || x.full:
		return
	case depth > maxNesting:
		x.note(ruleUnsure, l.pos, "parameters are nested deeper than %d: the line is passed over", maxNesting)
		return
	}
	if !strings.ContainsAny(l.text, "@$~") { // most lines, and the expressions below cost
		x.give(l)
		return
	}
	var m []string
	find := func(prefix string, re *regexp.Regexp) bool {
		if strings.HasPrefix(l.text, prefix) {
			m = re.FindStringSubmatch(l.text)
			return m != nil
		}
		return false
	}
	if find("@", conditions) {
		if (m[2] == x.id) == (m[1] == "") {
			x.expand(line{l.pos, m[3]}, depth+1)
		}
		return
	}
	if find("$", defines) {
		name, value := m[1], strings.TrimSpace(m[2])
		if head, multi := strings.CutSuffix(value, `\`); multi {
			x.defs[name] = nil
			if head = strings.TrimSpace(head); head != "" {
				x.defs[name] = []line{{l.pos, head}}
			}
			if depth == 0 {
				x.into = name
			}
			return
		}
		x.defs[name] = []line{{l.pos, value}}
		return
	}
	if find("~", sequence) {
		x.seq(m, l.pos, depth)
		return
	}
	// A parameter of several lines stands alone.
	if find("$", refers) && m[0] == l.text {
		if body, ok := x.defs[m[1]+m[4]]; ok && len(body) != 1 {
			for _, b := range body {
				x.expand(b, depth+1)
			}
			return
		}
	}
	text := x.replace(l)
	if text != l.text && (strings.HasPrefix(text, "@") || strings.HasPrefix(text, "~SEQ")) {
		x.expand(line{l.pos, text}, depth+1)
		return
	}
	x.give(line{l.pos, text})
}

// give passes a finished line on.
func (x *expander) give(l line) {
	if x.n++; x.n > maxLines {
		x.note(ruleTooLarge, l.pos, "the configuration has more than %d lines: it is read no further", maxLines)
		x.full = true
		return
	}
	x.emit(l)
}

// replace puts parameters into a line until none is left that is known.
func (x *expander) replace(l line) string {
	text := l.text
	for range maxReplacements {
		changed := false
		if x.spend(l, len(text)); x.full {
			return text
		}
		for _, m := range refers.FindAllStringSubmatchIndex(text, -1) {
			group := func(i int) string {
				if m[2*i] < 0 {
					return ""
				}
				return text[m[2*i]:m[2*i+1]]
			}
			value, ok := x.value(group(1)+group(4), l, group(2), group(3))
			if !ok {
				continue
			}
			text, changed = text[:m[0]]+value+group(5)+text[m[1]:], true
			break
		}
		if !changed {
			return text
		}
		if len(text) > maxLineLen {
			break
		}
	}
	x.note(ruleUnsure, l.pos, "parameters of this line never come to an end")
	return l.text
}

func (x *expander) value(name string, l line, from, to string) (string, bool) {
	switch name {
	case "_PWD":
		return path.Dir(l.pos.File), true
	case "_INSTANCE":
		return x.id, true
	case "_HASH":
		return "#", true
	case "_BANG":
		return "!", true
	case "_RANDOM":
		lo, _ := strconv.Atoi(strings.TrimSpace(from))
		hi, err := strconv.Atoi(strings.TrimSpace(to))
		if err != nil {
			hi = 32767
		}
		return strconv.Itoa(lo + rand.IntN(max(hi-lo, 0)+1)), true
	}
	body, ok := x.defs[name]
	if !ok {
		return "", false
	}
	var parts []string
	for _, b := range body {
		parts = append(parts, b.text)
	}
	return strings.Join(parts, " "), true
}

// seq runs the rest of the line once a number: ~SEQ(var, start, step, end), with start and step optional.
func (x *expander) seq(m []string, at Position, depth int) {
	parts := strings.Split(m[2], ",")
	var nums []int64
	for _, p := range parts[1:] {
		n, err := strconv.ParseInt(strings.TrimSpace(p), 0, 32)
		if err != nil {
			x.note(ruleUnsure, at, "~SEQ with %q is not understood", strings.TrimSpace(p))
			return
		}
		nums = append(nums, n)
	}
	name := strings.TrimSpace(parts[0])
	var start, step, end int64
	switch len(nums) {
	case 1:
		end = nums[0]
		start = 1
		if end < 0 {
			start = -1
		}
	case 2:
		start, end = nums[0], nums[1]
	case 3:
		start, step, end = nums[0], nums[1], nums[2]
	default:
		x.note(ruleUnsure, at, "~SEQ wants (var, start, step, end)")
		return
	}
	if len(nums) < 3 {
		if step = 1; end < start {
			step = -1
		}
	}
	if step == 0 || name == "" {
		x.note(ruleUnsure, at, "~SEQ with a step of 0 or no variable")
		return
	}
	for n := start; (step > 0 && n <= end || step < 0 && n >= end) && !x.full; n += step {
		text := strconv.FormatInt(n, 10)
		if m[1] == "x" {
			text = strconv.FormatInt(n, 16)
		}
		x.defs[name] = []line{{at, text}}
		before := x.n
		x.expand(line{at, strings.TrimSpace(m[3])}, depth+1)
		if x.n == before { // it made nothing: don't count to the end of the world
			if x.n++; x.n > maxLines {
				x.full = true
			}
		}
	}
}
