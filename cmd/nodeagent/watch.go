package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/api/client"
	"nodeagent/internal/view"
)

const (
	redrawEvery = 2 * time.Second // on a terminal: ages and counters go on
	retryEvery  = time.Second     // while no daemon answers
	answerIn    = 5 * time.Second // a daemon that is asked for what it has at hand
)

// watcher shows a status again and again.
type watcher interface {
	show(s view.Status) error
	lost(err error) error // the daemon does not answer; said once each time
	close()
}

// watchStatus shows changes until ctx ends, which is no error.
func watchStatus(cmd *cobra.Command, c *client.Client, f format) error {
	out := screenOf(cmd)
	var w watcher
	var every time.Duration
	switch {
	case f != asTable:
		w = &documents{out: out, format: f, say: cmd.ErrOrStderr()}
	case out.terminal:
		w, every = newRedraw(cmd, out), redrawEvery
	default:
		w = &lines{out: out}
	}
	defer w.close()
	err := follow(cmd.Context(), c, every, w)
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// follow polls. every is how often to show what did not change; 0: never. It ends with ctx, with an error of w, or with one that no waiting
// will mend.
func follow(ctx context.Context, c *client.Client, every time.Duration, w watcher) error {
	var seq uint64
	isLost := false
	for ctx.Err() == nil {
		answer, err := poll(ctx, c, seq, every)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, client.ErrPermission):
			return err
		case err != nil:
			seq = 0
			if !isLost {
				isLost = true
				if err := w.lost(err); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(retryEvery):
			}
			continue
		}
		isLost = false
		changed := answer.Seq != seq
		seq = answer.Seq
		if changed || every > 0 {
			if err := w.show(answer.Status); err != nil {
				return err
			}
		}
	}
	return nil
}

// poll waits for a change, for every at most if that is not 0.
func poll(ctx context.Context, c *client.Client, seq uint64, every time.Duration) (view.Watch, error) {
	if every > 0 && seq != 0 {
		wait, cancel := context.WithTimeout(ctx, every)
		defer cancel()
		answer, err := c.Watch(wait, seq)
		if err == nil || wait.Err() == nil || ctx.Err() != nil {
			return answer, err
		}
		seq = 0 // nothing changed: what it is now, with its newer counters
	}
	if seq != 0 {
		return c.Watch(ctx, seq)
	}
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	return c.Watch(ctx, 0)
}

// lines prints a line a change.
type lines struct {
	out  io.Writer
	prev *view.Status
	gone bool
}

func (l *lines) show(s view.Status) error {
	var b strings.Builder
	at := now()
	stamp := at.Format(time.DateTime) + "  "
	if l.prev == nil || l.gone || !l.prev.Since.Equal(s.Since) {
		b.WriteString(stamp + headline(s, at, 0, painter{}) + "\n")
	}
	for _, line := range changes(l.prev, s) {
		b.WriteString(stamp + line + "\n")
	}
	l.prev, l.gone = &s, false
	_, err := io.WriteString(l.out, b.String())
	return err
}

func (l *lines) lost(err error) error {
	l.gone = true
	_, err = fmt.Fprintf(l.out, "%s  the daemon is gone, waiting for it: %s\n", now().Format(time.DateTime), view.OneLine(err.Error()))
	return err
}

func (l *lines) close() {}

// changes are the lines from one status to the next; from nothing, what is not well, and the pods.
func changes(prev *view.Status, next view.Status) []string {
	var out []string
	was, is := index(prev), index(&next)
	for _, id := range is.order {
		now := is.lines[id]
		old, known := was.lines[id]
		if now == old || !known && prev == nil && is.fine[id] {
			continue
		}
		out = append(out, now)
	}
	for _, id := range was.order {
		if _, still := is.lines[id]; !still {
			out = append(out, "gone     "+id)
		}
	}
	return out
}

// indexed is a status as one line a subject and pod.
type indexed struct {
	order []string
	lines map[string]string
	fine  map[string]bool
}

func index(s *view.Status) indexed {
	out := indexed{lines: map[string]string{}, fine: map[string]bool{}}
	if s == nil {
		return out
	}
	add := func(id, line string, fine bool) {
		out.order = append(out.order, id)
		out.lines[id], out.fine[id] = line, fine
	}
	for _, c := range s.Conditions {
		for _, sub := range c.Subjects {
			id := strings.TrimSpace(view.OneLine(c.Name) + " " + view.OneLine(sub.Name))
			status := sub.Status
			if sub.Muted != nil && (status == "failing" || status == "unknown") {
				status = shownMuted
			}
			line := fmt.Sprintf("%-7s  %s", view.OneLine(status), id)
			if sub.Reason != "" {
				line += "  " + view.OneLine(sub.Reason)
			}
			if status != "ok" && sub.Message != "" {
				line += ": " + view.OneLine(sub.Message)
			}
			add(id, line, status == "ok" || status == "absent")
		}
	}
	for _, p := range s.Pods {
		id := "pod " + view.OneLine(p.Namespace+"/"+p.Name)
		add(id, fmt.Sprintf("%-7s  %s  %s, %s", "pod", view.OneLine(p.Namespace+"/"+p.Name), view.OneLine(p.Phase), plural(p.Restarts, "restart")), false)
	}
	return out
}

// documents prints one JSON object a line, or one YAML document, a change.
type documents struct {
	out    io.Writer
	format format
	say    io.Writer
}

func (d *documents) show(s view.Status) error {
	if d.format == asJSON {
		return json.NewEncoder(d.out).Encode(s)
	}
	if _, err := io.WriteString(d.out, "---\n"); err != nil {
		return err
	}
	return d.format.print(d.out, s)
}

func (d *documents) lost(err error) error {
	_, err = fmt.Fprintf(d.say, "nodeagent: the daemon is gone, waiting for it: %s\n", view.OneLine(err.Error()))
	return err
}

func (d *documents) close() {}

// redraw shows the newest status on a terminal's other screen.
type redraw struct {
	cmd   *cobra.Command
	out   screen
	title string // above the status; empty: none
	last  *view.Status
}

// Sequences of xterm, which every terminal of today knows: the other screen, the cursor, lines that do not
// go on in the next, home, and erase to the end of line or screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

func newRedraw(cmd *cobra.Command, out screen) *redraw {
	io.WriteString(out, enterScreen)
	return &redraw{cmd: cmd, out: out}
}

func (r *redraw) show(s view.Status) error {
	r.last = &s
	return r.draw("")
}

func (r *redraw) lost(err error) error {
	return r.draw("the daemon is gone, waiting for it: " + view.OneLine(err.Error()))
}

func (r *redraw) draw(notice string) error {
	s := screenOf(r.cmd) // the window may have another size by now
	var b strings.Builder
	if r.title != "" {
		b.WriteString(r.title + "\n\n")
	}
	if notice != "" {
		for _, l := range wrap("", notice, s.width) {
			b.WriteString(s.painter.paint(toneDoubt, l) + "\n")
		}
	}
	if r.last != nil {
		text := statusText(*r.last, now(), s.width, s.painter)
		if short, more := folded(*r.last); strings.Count(b.String()+text, "\n") > s.height {
			text = statusTextAnd(short, more, now(), s.width, s.painter)
			if strings.Count(b.String()+text, "\n") > s.height {
				text = statusTextAnd(brief(short), more, now(), s.width, s.painter)
			}
		}
		b.WriteString(text)
	}
	_, err := io.WriteString(s, frame(b.String(), s.height))
	return err
}

// folded is a status without the conditions of which nothing is to be said, and a line that counts them: what fails, what to do about it and the
// pods go before in a window that has no room for all.
func folded(s view.Status) (short view.Status, more string) {
	var ok, absent, off int
	all := s.Conditions
	s.Conditions = nil
	for _, c := range all {
		switch {
		case c.Disabled:
			off++
		case slices.ContainsFunc(c.Subjects, func(x view.Subject) bool { return x.Status != "ok" && x.Status != "absent" }) || c.Status != "ok" && c.Status != "absent":
			s.Conditions = append(s.Conditions, c)
		case c.Status == "ok":
			ok++
		default:
			absent++
		}
	}
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{ok, "ok"}, {absent, "absent on this node"}, {off, "off"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	if len(parts) > 0 {
		more = "and " + strings.Join(parts, ", ")
		if len(s.Conditions) == 0 {
			more = "conditions: " + strings.Join(parts, ", ")
		}
	}
	return s, more
}

// brief is a status without its sentences, for a window that has no room for them: one line a condition and pod.
func brief(s view.Status) view.Status {
	s.Conditions = slices.Clone(s.Conditions)
	for i := range s.Conditions {
		c := &s.Conditions[i]
		c.More, c.Subjects = 0, slices.Clone(c.Subjects)
		for n := range c.Subjects {
			c.Subjects[n].Message, c.Subjects[n].Fix = "", ""
		}
	}
	return s
}

// close leaves the newest status behind, where people can scroll to it.
func (r *redraw) close() {
	io.WriteString(r.out, leaveScreen)
	if r.last != nil {
		io.WriteString(r.out, statusText(*r.last, now(), r.out.width, r.out.painter))
	}
}

// frame draws a text over the one before, at most height lines of it.
func frame(text string, height int) string {
	l := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if height > 1 && len(l) > height {
		hidden := len(l) - height + 1
		l = append(l[:height-1:height-1], fmt.Sprintf("... %s more; make the window higher, or see `nodeagent status`", plural(hidden, "line")))
	}
	return home + strings.Join(l, eraseLine+"\r\n") + eraseLine + eraseBelow
}
