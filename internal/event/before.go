package event

// Before is what a ring ended with when it was opened. Zero events: there was none.
type Before struct {
	Last  Event // the last event of all
	Agent Event // the last of KindAgent
}

func (b *Before) take(e Event) {
	e.Log = ""
	b.Last = e
	if e.Kind == KindAgent {
		b.Agent = e
	}
}

// Before is what the ring ended with when it was opened.
func (r *Ring) Before() Before { return r.before }
