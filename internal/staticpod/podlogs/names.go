package podlogs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// stampLayout of a rotated log is kubelet's, which log shippers know. It is UTC here, so that it orders also where summer time ends.
	stampLayout = "20060102-150405"
	logSuffix   = ".log"
	gzSuffix    = ".gz"
	tmpSuffix   = ".tmp" // of a file that is being compressed
)

// maxEntries is how many names of one folder are looked at.
const maxEntries = 20000

// file is one log file in a container's folder.
type file struct {
	name    string
	attempt uint32
	stamp   string // of its rotation; empty for the current one
	gz      bool
	tmp     bool // left by a compression that did not end
	info    fs.FileInfo
}

// parseName reads <attempt>.log[.<stamp>[.gz|.tmp]].
func parseName(name string) (file, bool) {
	f := file{name: name}
	number, rest, ok := strings.Cut(name, logSuffix)
	n, err := strconv.ParseUint(number, 10, 32)
	if !ok || err != nil || strconv.FormatUint(n, 10) != number {
		return file{}, false
	}
	f.attempt = uint32(n)
	if rest == "" {
		return f, true
	}
	rest, f.gz = strings.CutSuffix(rest, gzSuffix)
	if !f.gz {
		rest, f.tmp = strings.CutSuffix(rest, tmpSuffix)
	}
	stamp, ok := strings.CutPrefix(rest, ".")
	if _, err := time.Parse(stampLayout, stamp); !ok || err != nil || len(stamp) != len(stampLayout) {
		return file{}, false
	}
	f.stamp = stamp
	return f, true
}

// older orders files as their lines were written; of one stamp the plain file comes first.
func older(a, b file) int {
	if c := cmp.Compare(a.attempt, b.attempt); c != 0 {
		return c
	}
	if a.stamp != b.stamp {
		if a.stamp == "" {
			return 1
		}
		if b.stamp == "" {
			return -1
		}
		return strings.Compare(a.stamp, b.stamp)
	}
	return strings.Compare(a.name, b.name)
}

// listAll lists the regular files of a container's folder that are named as logs, in the order in which they were written.
func listAll(dir string) ([]file, error) {
	entries, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	var out []file
	for _, e := range entries {
		f, ok := parseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		f.info, err = e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	slices.SortFunc(out, older)
	return out, nil
}

// list is listAll without what is no whole log: unfinished files, and the copy where a file and its compressed copy both are there.
//
// A folder that changes while it is read may show neither of a file's two names: it is read until it is the same twice.
func list(dir string) ([]file, error) {
	all, err := listAll(dir)
	for range 20 {
		var again []file
		if err == nil {
			again, err = listAll(dir)
		}
		if err != nil {
			return nil, err
		}
		same := slices.EqualFunc(all, again, func(a, b file) bool { return a.name == b.name && os.SameFile(a.info, b.info) })
		if all = again; same {
			break
		}
	}
	all = slices.DeleteFunc(all, func(f file) bool { return f.tmp })
	return slices.CompactFunc(all, func(a, b file) bool { return a.attempt == b.attempt && a.stamp == b.stamp }), nil
}

// readDir is os.ReadDir with a bound and without an order.
func readDir(dir string) ([]fs.DirEntry, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("%s has more than %d entries: remove what does not belong there", dir, maxEntries)
	}
	return entries, nil
}

// splitFolder reads <namespace>_<pod>_<uid>.
func splitFolder(base string) (namespace, pod, uid string, ok bool) {
	parts := strings.Split(base, "_")
	if len(parts) != 3 || slices.Contains(parts, "") || strings.HasPrefix(base, ".") || strings.ContainsRune(base, '/') {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}
