package podlogs

import (
	"bytes"
	"time"
)

// Stream is where a container wrote a line.
type Stream string

// The streams of the CRI log format, and what is none.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
	Raw    Stream = "" // not in the CRI format: Text is what stands in the file, and Time is zero
)

// Line is one line that a container wrote, put together from the pieces in which the runtime logged it.
type Line struct {
	Time   time.Time // when the runtime read its first piece
	Stream Stream
	Text   string // without the newline; any bytes
	More   bool   // the line is longer than maxLine and goes on in the next Line of its stream
}

// Bounds of what a line costs in memory.
const (
	// maxPhysical is the longest piece that is kept until its newline is seen. containerd and CRI-O cut at 16 and 8 KiB by default.
	maxPhysical = 64 << 10
	// maxLine is the longest Line; a longer one is handed on in parts, none of which is lost.
	maxLine = 256 << 10
	// maxHeader is more than any "TIME STREAM TAGS " takes.
	maxHeader = 96
)

// header of one line of the file.
type header struct {
	at     time.Time
	stream Stream
	full   bool // the container's line ends with this piece
}

// parse splits one line of the file as kubelet does (pkg/kubelet/kuberuntime/logs/logs.go, parseCRILog). What is no CRI line is all text.
func parse(b []byte) (header, []byte) {
	raw := header{full: true}
	stamp, rest, ok := bytes.Cut(b[:min(len(b), maxHeader)], []byte{' '})
	if !ok {
		return raw, b
	}
	stream, tags, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return raw, b
	}
	tags, _, _ = bytes.Cut(tags, []byte{' '})
	first, _, _ := bytes.Cut(tags, []byte{':'}) // room for further tags
	h := header{}
	switch string(first) {
	case "F":
		h.full = true
	case "P":
	default:
		return raw, b
	}
	switch string(stream) {
	case string(Stdout):
		h.stream = Stdout
	case string(Stderr):
		h.stream = Stderr
	default:
		return raw, b
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return raw, b
	}
	h.at = at
	return h, b[min(len(b), len(stamp)+len(stream)+len(tags)+3):]
}
