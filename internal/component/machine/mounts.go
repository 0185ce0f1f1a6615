package machine

import (
	"bufio"
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

// parseMounts reads /proc/self/mountinfo (proc_pid_mountinfo(5)) by device. Lines that are not as documented are left out.
func parseMounts(r io.Reader) map[uint64]mount {
	out := map[uint64]mount{}
	s := bufio.NewScanner(r)
	for s.Scan() {
		f := strings.Fields(s.Text())
		dash := -1
		for i := 6; i < len(f); i++ {
			if f[i] == "-" {
				dash = i
				break
			}
		}
		if dash < 0 || dash+3 >= len(f) {
			continue
		}
		major, minor, _ := strings.Cut(f[2], ":")
		a, errA := strconv.ParseUint(major, 10, 32)
		b, errB := strconv.ParseUint(minor, 10, 32)
		if errA != nil || errB != nil {
			continue
		}
		m := mount{kind: f[dash+1], source: f[dash+2]}
		for option := range strings.SplitSeq(f[dash+3], ",") {
			m.readOnly = m.readOnly || option == "ro"
		}
		out[unix.Mkdev(uint32(a), uint32(b))] = m
	}
	return out
}
