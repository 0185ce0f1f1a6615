package machine

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is what a file system says of itself.
type mount struct {
	source, kind string
	readOnly     bool // the file system, not only one mount of it: a sandbox mounts what it may not write read-only
}

// parseMounts reads /proc/self/mountinfo (proc_pid_mountinfo(5)) by device; all mounts of one have the same to say of it. Lines that are not as
// documented are left out. A node with many pods has many hundreds, so a line of a device that is known costs no memory.
func parseMounts(r io.Reader) map[uint64]mount {
	out := map[uint64]mount{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20) // the layers of an image can make a long line
	for s.Scan() {
		before, after, ok := bytes.Cut(s.Bytes(), []byte(" - "))
		dev, known := device(before)
		if !ok || !known {
			continue
		}
		if _, seen := out[dev]; seen {
			continue
		}
		f := strings.Fields(string(after))
		if len(f) < 3 {
			continue
		}
		m := mount{kind: f[0], source: f[1]}
		for option := range strings.SplitSeq(f[2], ",") {
			m.readOnly = m.readOnly || option == "ro"
		}
		out[dev] = m
	}
	return out
}

// device is the third of the six fields that each line begins with.
func device(line []byte) (dev uint64, ok bool) {
	n := 0
	for field := range bytes.FieldsSeq(line) {
		if n++; n == 3 {
			major, minor, _ := bytes.Cut(field, []byte(":"))
			a, errA := strconv.ParseUint(string(major), 10, 32)
			b, errB := strconv.ParseUint(string(minor), 10, 32)
			dev, ok = unix.Mkdev(uint32(a), uint32(b)), errA == nil && errB == nil
		}
	}
	return dev, ok && n >= 6
}
