package podlogs

import "bytes"

// decoder turns the bytes of log files into lines. It is fed, rather than reading, so that a line goes on across the end of a file that
// still grows and across a rotation. It holds at most maxPhysical and, a stream, maxLine + maxPhysical bytes.
type decoder struct {
	emit   func(Line) error
	buf    []byte // of a line of the file whose newline was not seen yet
	inside bool   // buf goes on with a line whose beginning was taken already
	head   header // of that line
	open   [3]struct {
		is   bool
		line Line
		text []byte
	}
}

// slot of a stream in per-stream arrays.
func (s Stream) slot() int {
	switch s {
	case Stdout:
		return 1
	case Stderr:
		return 2
	}
	return 0
}

func (d *decoder) write(b []byte) error {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		room := maxPhysical - len(d.buf)
		switch {
		case i >= 0 && i <= room && len(d.buf) == 0: // the usual case: no copy
			if err := d.piece(b[:i], true); err != nil {
				return err
			}
			b = b[i+1:]
		case i >= 0 && i <= room:
			d.buf = append(d.buf, b[:i]...)
			if err := d.take(true); err != nil {
				return err
			}
			b = b[i+1:]
		default:
			n := min(len(b), room)
			d.buf = append(d.buf, b[:n]...)
			b = b[n:]
			if len(d.buf) == maxPhysical {
				if err := d.take(false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (d *decoder) take(ended bool) error {
	b := d.buf
	d.buf = d.buf[:0]
	return d.piece(b, ended)
}

// piece takes a line of the file, or a part of one that is too long.
func (d *decoder) piece(b []byte, ended bool) error {
	if !d.inside {
		d.head, b = parse(b)
	}
	d.inside = !ended
	o := &d.open[d.head.stream.slot()]
	if !o.is {
		o.is, o.line = true, Line{Time: d.head.at, Stream: d.head.stream}
	}
	o.text = append(o.text, b...)
	if ended && d.head.full {
		return d.end(d.head.stream.slot())
	}
	if len(o.text) < maxLine {
		return nil
	}
	l := o.line
	l.Text, l.More = string(o.text), true
	o.text = o.text[:0]
	return d.emit(l)
}

// end hands on what there is of a stream's line as its end.
func (d *decoder) end(slot int) error {
	o := &d.open[slot]
	l := o.line
	l.Text = string(o.text)
	o.is, o.line, o.text = false, Line{}, o.text[:0]
	return d.emit(l)
}

// endFile ends a line of the file that has no newline: the next file begins with a new one. A container's line may go on there.
func (d *decoder) endFile() error {
	if len(d.buf) == 0 && !d.inside {
		return nil
	}
	return d.take(true)
}

// flush hands on all that is not ended, for nothing follows.
func (d *decoder) flush() error {
	if err := d.endFile(); err != nil {
		return err
	}
	for slot := range d.open {
		if d.open[slot].is {
			if err := d.end(slot); err != nil {
				return err
			}
		}
	}
	return nil
}
