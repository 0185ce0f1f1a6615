package component

import "time"

// inARow slow answers make a server slow, and as many quick ones make it quick again: one pause of its garbage collector is no news.
const inARow = 3

// pace remembers whether a server is slow. Its answers are those that came at all.
type pace struct {
	slow bool
	run  int // answers in a row that say otherwise
}

// take counts an answer.
func (p pace) take(took, limit time.Duration) pace {
	if (took > limit) == p.slow {
		p.run = 0
		return p
	}
	if p.run++; p.run == inARow {
		p.slow, p.run = !p.slow, 0
	}
	return p
}
