package lint

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// DefaultFile is keepalived's own.
const DefaultFile = "/etc/keepalived/keepalived.conf"

// Severity orders problems.
type Severity uint8

// The severities.
const (
	Unsure  Severity = iota // can't be judged from here
	Warning                 // works, and will hurt one day
	Error                   // the VIP does not follow health as it is meant to
)

// String is the word shown to people and used in JSON.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return "unsure"
	}
}

// MarshalText makes Severity a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Rule is one mistake that is looked for.
type Rule struct {
	Name     string // CamelCase; also the reason of KeepalivedConfig's findings
	Severity Severity
	Fix      string // one sentence
}

// Problem is one place where a rule is broken.
type Problem struct {
	Position
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix"`
}

func (p Problem) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", p.Position, p.Severity, p.Message, p.Rule)
}

// Options of a lint. The zero value reads this machine.
type Options struct {
	Root    string   // the file system's root; empty: /
	ID      string   // keepalived's config-id (-i), against which @lines are held; empty: the host's name up to its first dot
	Others  []string // the other nodes' configurations, to compare priorities and states with; read with the same ID
	Version string   // keepalived's, such as 2.2.7; empty: not known, and what an old one refuses is a warning
	Host    *Host    // nil: this machine below Root

	VerdictDir string   // where verdict files lie; empty: /run/nodeagent/verdict
	Verdicts   []string // the policies that this node's agent writes verdicts of; nil: not known
	Balancer   []uint16 // ports that the local balancer listens on, to find scripts that ask through it
}

func (o Options) filled() Options {
	if o.VerdictDir == "" {
		o.VerdictDir = "/run/nodeagent/verdict"
	}
	if o.ID == "" {
		name, err := os.Hostname()
		if err == nil {
			o.ID, _, _ = strings.Cut(name, ".")
		}
	}
	if o.Host == nil {
		h := ReadHost(o.Root)
		o.Host = &h
	}
	return o
}

// maxProblems of one lint: a file of 10,000 wrong blocks needs no longer list.
const maxProblems = 500

// File lints one configuration with what it includes. Problems are in the order of files and lines. The error is for a file that can't be
// read at all (fs.ErrNotExist among others); what it includes and can't be read is a problem.
func File(path string, o Options) ([]Problem, error) {
	o = o.filled()
	l := &linter{}
	tree, err := l.parse(path, o)
	if err != nil {
		return nil, err
	}
	c := model(tree, l.note)
	var others []Config
	for _, name := range o.Others {
		other := &linter{}
		tree, err := other.parse(name, o)
		if err != nil {
			return nil, err
		}
		others = append(others, model(tree, other.note)) // its own problems are told when it is linted
	}
	check(c, others, o, l.note)
	return l.sorted(), nil
}

// Parse reads a configuration with what it includes into its tree, whose root has no words. Problems are of syntax alone.
func Parse(path string, o Options) (*Node, []Problem, error) {
	l := &linter{}
	tree, err := l.parse(path, o.filled())
	return tree, l.sorted(), err
}

// linter collects problems.
type linter struct {
	problems []Problem
	seen     map[Problem]bool
	order    map[string]int // files in the order in which they were read
}

func (l *linter) note(r *Rule, at Position, format string, args ...any) {
	if len(l.problems) >= maxProblems {
		return
	}
	p := Problem{Position: at, Rule: r.Name, Severity: r.Severity, Message: fmt.Sprintf(format, args...), Fix: r.Fix}
	if l.seen == nil {
		l.seen = map[Problem]bool{}
	}
	if l.seen[p] {
		return
	}
	l.seen[p] = true
	l.problems = append(l.problems, p)
}

func (l *linter) parse(path string, o Options) (*Node, error) {
	l.order = map[string]int{}
	p := newParser(l.note)
	x := &expander{id: o.ID, defs: map[string][]line{}, emit: p.line, note: l.note}
	s := &source{root: o.Root, note: l.note, emit: func(ln line) bool {
		if _, ok := l.order[ln.pos.File]; !ok {
			l.order[ln.pos.File] = len(l.order)
		}
		return x.line(ln)
	}}
	if err := s.read(path, nil); err != nil {
		return nil, err
	}
	return p.end(), nil
}

func (l *linter) sorted() []Problem {
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(l.order[a.File], l.order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return l.problems
}
