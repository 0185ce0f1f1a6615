package podlogs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// slack is how many lines more are read than were asked for, since the first pieces of a line may stand before whole lines of the other stream.
const slack = 16

// Tail is the last n lines of one log file, oldest first, of at most maxBytes at its end. Where those hold no whole line, what they hold is
// one raw line. Errors: the file's own, ErrNotRegular.
func Tail(path string, n int, maxBytes int64) ([]Line, error) {
	if n <= 0 || maxBytes <= 0 {
		return nil, nil
	}
	f, st, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	off, _, err := backwards(f, st.Size(), add(n, slack), maxBytes, true)
	if err != nil {
		return nil, fmt.Errorf("read log %s: %w", path, err)
	}
	var lines []Line
	d := decoder{emit: func(l Line) error {
		lines = append(lines, l)
		if len(lines) > 2*add(n, slack) { // lines in parts
			lines = append(lines[:0], lines[len(lines)-n:]...)
		}
		return nil
	}}
	if _, err := copyTo(&d, io.NewSectionReader(f, off, st.Size()-off), make([]byte, min(block, st.Size()-off+1))); err != nil {
		return nil, fmt.Errorf("read log %s: %w", path, err)
	}
	if err := d.flush(); err != nil {
		return nil, err
	}
	return lines[max(0, len(lines)-n):], nil
}

func add(n, m int) int { return min(n, math.MaxInt/4) + m }

// block is what is read at once.
const block = 64 << 10

// backwards finds the offset at which the last n lines begin, reading from size to the front and no further than limit bytes, and counts
// the lines from there. newest says that no file follows, so that a line ends with the file. Memory is one block whatever the lines are like.
func backwards(r io.ReaderAt, size int64, n int, limit int64, newest bool) (off int64, found int, err error) {
	floor := max(0, size-limit)
	buf := make([]byte, block+maxHeader)
	begin := size // of the earliest line seen
	for at := size; at > floor; {
		from := max(floor, at-block)
		// The header of a line that begins at the block's end stands behind it.
		b := buf[:min(size, at+maxHeader)-from]
		if err := readAt(r, b, from); err != nil {
			return 0, 0, err
		}
		for i := int(at-from) - 1; i >= 0; i-- {
			if b[i] != '\n' {
				if i = bytes.LastIndexByte(b[:i], '\n'); i < 0 {
					break
				}
			}
			start := from + int64(i) + 1
			if start == size { // the file's last newline begins no line
				continue
			}
			if counts(b[i+1:], newest && begin == size) {
				if found == n {
					return begin, found, nil
				}
				found++
			}
			begin = start
		}
		at = from
	}
	switch {
	case floor > 0 && begin < size:
		return begin, found, nil // the line cut off in front is none
	case size == 0:
		return 0, 0, nil
	}
	// The file's first line, or one of which the beginning is out of reach.
	b := buf[:min(size-floor, maxHeader)]
	if err := readAt(r, b, floor); err != nil {
		return 0, 0, err
	}
	if counts(b, newest && begin == size) {
		if found == n {
			return begin, found, nil
		}
		found++
	}
	return floor, found, nil
}

// counts tells whether a Line ends with the line of the file that begins with b: every one but a piece, and the very last in any case.
func counts(b []byte, last bool) bool {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	h, _ := parse(b)
	return h.full || last
}

func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		if n == len(b) {
			return nil
		}
		return errors.New("the file was cut off while it was read: try again")
	}
	return err
}

// copyTo feeds a decoder with all that can be read now.
func copyTo(d *decoder, r io.Reader, buf []byte) (n int64, err error) {
	for {
		k, err := r.Read(buf)
		n += int64(k)
		if werr := d.write(buf[:k]); werr != nil {
			return n, werr
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
