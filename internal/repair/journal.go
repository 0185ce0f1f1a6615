package repair

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// journal reads systemd's journal files (systemd.io/JOURNAL_FILE_FORMAT) for one thing: when a unit last wrote a line. That is a few dozen reads
// of some bytes each in one file; journalctl would be a process, and opens every file that there is.
type journal struct {
	root string // "/", or a test's
}

// journalFolders are where journald writes, kept and not (systemd-journald.service(8)).
var journalFolders = []string{"var/log/journal", "run/log/journal"}

// newestFiles are read: the one that is written, and those that it was rotated from.
const newestFiles = 3

// errNoLine says that no line of the unit was found: it writes elsewhere, or wrote long ago.
var errNoLine = errors.New("the journal has no line of it")

// silentFor is how long ago a unit last wrote to the journal, in this boot. up is CLOCK_MONOTONIC, by which journald dates a line.
func (j journal) silentFor(ctx context.Context, unit string, up time.Duration) (time.Duration, error) {
	files, written, err := j.newest()
	if err != nil {
		return 0, err
	}
	if len(files) == 0 || time.Since(written) > up { // nobody has written one in this boot
		return 0, errNoLine
	}
	boot, err := lastBoot(files[0])
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", files[0], err)
	}
	last := time.Duration(-1)
	for _, path := range files {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		at, err := lastLine(path, unit, boot)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", path, err)
		}
		last = max(last, at)
	}
	if last < 0 {
		return 0, errNoLine
	}
	return max(up-last, 0), nil
}

// id reads a 128-bit id, with dashes or without.
func (j journal) id(path string) ([16]byte, error) {
	var id [16]byte
	b, err := os.ReadFile(filepath.Join(j.root, path))
	if err != nil {
		return id, err
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	if err != nil || copy(id[:], raw) != len(id) {
		return id, fmt.Errorf("read %s: not an id", path)
	}
	return id, nil
}

// newest are the system's journal files of this machine, the one that was written last first, and when that was.
func (j journal) newest() (_ []string, written time.Time, _ error) {
	machine, err := j.id("etc/machine-id")
	if err != nil {
		return nil, time.Time{}, err
	}
	type file struct {
		path string
		at   time.Time
	}
	var list []file
	for _, folder := range journalFolders {
		paths, err := filepath.Glob(filepath.Join(j.root, folder, hex.EncodeToString(machine[:]), "system*.journal"))
		if err != nil {
			return nil, time.Time{}, err
		}
		for _, p := range paths {
			st, err := os.Stat(p)
			if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
				continue
			}
			if err != nil {
				return nil, time.Time{}, err
			}
			list = append(list, file{p, st.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b file) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(a.path, b.path)) })
	var out []string
	for _, f := range list[:min(len(list), newestFiles)] {
		out = append(out, f.path)
		written = latest(written, f.at)
	}
	return out, written, nil
}

// Objects and flags of a journal file.
const (
	objectData       = 1
	objectField      = 2
	objectEntry      = 3
	objectEntryArray = 6
	flagCompact      = 16 // of incompatible_flags
	mostSteps        = 1 << 16
)

var errNotJournal = errors.New("not a journal file, or one that is being written")

// journalFile reads objects. Numbers are little endian.
type journalFile struct {
	r     io.ReaderAt
	steps int // a loop in a torn file ends
}

// at reads n bytes of the object at an offset, whose type has to be kind; 0: no object, any bytes.
func (f *journalFile) at(offset uint64, n int, kind byte) ([]byte, error) {
	if f.steps++; f.steps > mostSteps || offset > 1<<62 {
		return nil, errNotJournal
	}
	b := make([]byte, n)
	if _, err := f.r.ReadAt(b, int64(offset)); err != nil {
		return nil, err
	}
	if kind != 0 && b[0] != kind {
		return nil, errNotJournal
	}
	return b, nil
}

func word(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// lastBoot is the boot in which a file was last written: this one's, for the newest file. The kernel's own id of the boot is another one where a
// container's manager has hidden it and the unit's sandbox shows it again.
func lastBoot(path string) (id [16]byte, _ error) {
	r, err := os.Open(path)
	if err != nil {
		return id, err
	}
	defer r.Close()
	header, err := (&journalFile{r: r}).at(0, 72, 0)
	if err != nil {
		return id, err
	}
	return [16]byte(header[56:72]), nil
}

// lastLine is when, by CLOCK_MONOTONIC, a unit last wrote into one file in the boot; -1: it did not.
func lastLine(path, unit string, boot [16]byte) (time.Duration, error) {
	r, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	f := &journalFile{r: r}
	header, err := f.at(0, 208, 0)
	if err != nil {
		return 0, err
	}
	if string(header[:8]) != "LPKSHHRH" {
		return 0, errNotJournal
	}
	compact := binary.LittleEndian.Uint32(header[12:])&flagCompact != 0
	field, err := f.field(word(header, 120), word(header, 128), "_SYSTEMD_UNIT")
	if err != nil || field == 0 {
		return -1, err
	}
	entry, err := f.last(field, "_SYSTEMD_UNIT="+unit, compact)
	if err != nil || entry == 0 {
		return -1, err
	}
	e, err := f.at(entry, 56, objectEntry)
	if err != nil {
		return 0, err
	}
	if [16]byte(e[40:56]) != boot {
		return -1, nil
	}
	return time.Duration(word(e, 32)) * time.Microsecond, nil
}

// field finds the first data object of a field, through the table of all fields: there are some hundred. 0: there is none.
func (f *journalFile) field(table, size uint64, name string) (uint64, error) {
	if size > 1<<20 {
		return 0, errNotJournal
	}
	b, err := f.at(table, int(size), 0)
	if err != nil {
		return 0, err
	}
	for i := 0; i+16 <= len(b); i += 16 {
		for at := word(b, i); at != 0; {
			o, err := f.at(at, 40, objectField)
			if err != nil {
				return 0, err
			}
			if word(o, 8) == uint64(40+len(name)) {
				if payload, err := f.at(at+40, len(name), 0); err != nil || string(payload) == name {
					return word(o, 32), err
				}
			}
			at = word(o, 24)
		}
	}
	return 0, nil
}

// last finds the last entry that has the data, in the list of all data of its field. 0: there is none.
func (f *journalFile) last(data uint64, text string, compact bool) (uint64, error) {
	payload := 64
	if compact {
		payload = 72
	}
	for at := data; at != 0; {
		o, err := f.at(at, 64, objectData)
		if err != nil {
			return 0, err
		}
		if word(o, 8) == uint64(payload+len(text)) {
			got, err := f.at(at+uint64(payload), len(text), 0)
			if err != nil {
				return 0, err
			}
			if string(got) == text {
				return f.nth(word(o, 40), word(o, 48), word(o, 56), compact)
			}
		}
		at = word(o, 32)
	}
	return 0, nil
}

// nth is the last of n entries: the first is named in the data object, the others in a chain of arrays.
func (f *journalFile) nth(first, array, n uint64, compact bool) (uint64, error) {
	if n <= 1 {
		return first, nil
	}
	width := uint64(8)
	if compact {
		width = 4
	}
	for left := n - 1; array != 0; {
		o, err := f.at(array, 24, objectEntryArray)
		if err != nil {
			return 0, err
		}
		size := word(o, 8)
		if size < 24+width {
			return 0, errNotJournal
		}
		if items := (size - 24) / width; left > items {
			left, array = left-items, word(o, 16)
			continue
		}
		b, err := f.at(array+24+(left-1)*width, int(width), 0)
		if err != nil {
			return 0, err
		}
		if compact {
			return uint64(binary.LittleEndian.Uint32(b)), nil
		}
		return word(b, 0), nil
	}
	return 0, errNotJournal
}
