package lint

import "strings"

// Node is one statement, with its block if it has one.
type Node struct {
	Pos      Position
	Words    []string // without quotes; at least one
	Block    bool
	Children []*Node
}

// Word is the i-th word, empty if there is none.
func (n *Node) Word(i int) string {
	if n == nil || i >= len(n.Words) {
		return ""
	}
	return n.Words[i]
}

// Get is the last child of that name, the one that counts for keepalived; nil if there is none.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for i := len(n.Children) - 1; i >= 0; i-- {
		if n.Children[i].Word(0) == name {
			return n.Children[i]
		}
	}
	return nil
}

// All are the children of one of the names.
func (n *Node) All(names ...string) []*Node {
	var out []*Node
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		for _, name := range names {
			if c.Word(0) == name {
				out = append(out, c)
			}
		}
	}
	return out
}

// Nesting of blocks; keepalived's deepest is 5.
const maxBlocks = 32

// parser builds the tree from lines.
type parser struct {
	root  *Node
	stack []*Node // open blocks, root first
	last  *Node   // the statement that a { on the next line belongs to
	lost  int     // blocks that are open and too deep to be kept
	note  func(*Rule, Position, string, ...any)
}

func newParser(note func(*Rule, Position, string, ...any)) *parser {
	root := &Node{Block: true, Words: []string{""}}
	return &parser{root: root, stack: []*Node{root}, note: note}
}

func (p *parser) top() *Node { return p.stack[len(p.stack)-1] }

func (p *parser) line(l line) {
	tokens, ok := lex(l.text)
	if !ok {
		p.note(ruleQuote, l.pos, "a quote is not closed")
	}
	var words []string
	flush := func() {
		if len(words) == 0 {
			return
		}
		p.last = &Node{Pos: l.pos, Words: words}
		if p.lost == 0 {
			top := p.top()
			top.Children = append(top.Children, p.last)
		}
		words = nil
	}
	for _, t := range tokens {
		switch {
		case t.brace == '{':
			flush()
			p.open(l.pos)
		case t.brace == '}':
			flush()
			p.close(l.pos)
		default:
			words = append(words, t.text)
		}
	}
	flush()
}

func (p *parser) open(at Position) {
	switch {
	case p.last == nil:
		p.note(ruleBraces, at, "a { follows no word")
		p.last = &Node{Pos: at, Words: []string{""}}
		if p.lost == 0 {
			top := p.top()
			top.Children = append(top.Children, p.last)
		}
	case p.last.Block:
		p.note(ruleBraces, at, "a second { follows the one of line %d", p.last.Pos.Line)
	}
	if p.lost > 0 || len(p.stack) >= maxBlocks {
		if p.lost == 0 {
			p.note(ruleTooLarge, at, "blocks go deeper than %d: the inner ones are passed over", maxBlocks)
		}
		p.lost++
		return
	}
	p.last.Block = true
	p.stack = append(p.stack, p.last)
	p.last = nil
}

func (p *parser) close(at Position) {
	p.last = nil
	switch {
	case p.lost > 0:
		p.lost--
	case len(p.stack) == 1:
		p.note(ruleBraces, at, "a } closes nothing")
	default:
		p.stack = p.stack[:len(p.stack)-1]
	}
}

// end says which blocks were left open.
func (p *parser) end() *Node {
	if len(p.stack) > 1 {
		n := p.top()
		p.note(ruleBraces, n.Pos, "the block of %s is not closed", strings.Join(n.Words, " "))
	}
	return p.root
}

type token struct {
	text  string
	brace byte
}

// lex splits a line without comments into words and braces. Quotes are taken away, as keepalived does; ${NAME} of a parameter that is not
// defined stays a word. ok is false if a quote is not closed.
func lex(s string) (out []token, ok bool) {
	var (
		word  strings.Builder
		in    bool
		quote byte
	)
	end := func() {
		if in {
			out = append(out, token{text: word.String()})
			word.Reset()
			in = false
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			in = true
			word.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == ' ' || c == '\t':
			end()
		case c == '$' && i+1 < len(s) && s[i+1] == '{' && strings.IndexByte(s[i:], '}') > 0:
			n := strings.IndexByte(s[i:], '}')
			word.WriteString(s[i : i+n+1])
			i, in = i+n, true
		case c == '{' || c == '}':
			end()
			out = append(out, token{brace: c})
		default:
			word.WriteByte(c)
			in = true
		}
	}
	end()
	return out, quote == 0
}
