package keepalive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/state"
)

// beatName is the file in the verdict folder that is stamped while the verdicts are kept.
const beatName = "beat"

// BeatEvery is how often the beat file is stamped. A reader believes verdict files while the stamp is at most BeatValid old: long enough for a
// restart of the agent, which keeps the files.
const (
	BeatEvery = time.Second
	BeatValid = 5 * time.Second
)

// folder is the verdict folder. It outlives the agent: a verdict file that is gone would read as 0, which is fit.
type folder struct {
	dir  string
	beat *os.File
	made fs.FileInfo // of beat
}

// open makes the folder (0755: keepalived's checks may run as anybody) if it is missing.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the verdict folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the umask
		return nil, fmt.Errorf("open the verdict folder: %w", err)
	}
	return &folder{dir: dir}, nil
}

func (f *folder) close() {
	if f.beat != nil {
		f.beat.Close()
	}
}

// write replaces the verdict file of a policy: keepalived finds the old or the new number whole. Nothing waits for the disk.
func (f *folder) write(policy string, number int) (fs.FileInfo, error) {
	path := filepath.Join(f.dir, policy)
	if err := state.WriteFile(path, []byte(strconv.Itoa(number)+"\n"), 0o644, false); err != nil {
		return nil, fmt.Errorf("write verdict: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("write verdict: %w", err)
	}
	return info, nil
}

// untouched reports whether the verdict file is still the one that was written.
func (f *folder) untouched(policy string, written fs.FileInfo) bool {
	now, err := os.Lstat(filepath.Join(f.dir, policy))
	return err == nil && written != nil && os.SameFile(now, written) && now.Size() == written.Size() && now.ModTime().Equal(written.ModTime())
}

// readNumber reads a verdict file. One that is missing, empty or no number is an error.
func readNumber(dir, policy string) (int, error) {
	b, err := readSmall(filepath.Join(dir, policy))
	if err != nil {
		return 0, fmt.Errorf("read verdict: %w", err)
	}
	n, err := parseNumber(string(b))
	if err != nil {
		return 0, fmt.Errorf("read verdict of %s: %w", policy, err)
	}
	return n, nil
}

func parseNumber(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < Fault || n > 0 {
		return 0, fmt.Errorf("%.20q is no number from %d to 0", s, Fault)
	}
	return n, nil
}

var errNoFile = errors.New("no regular file")

func readSmall(path string) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() { // a FIFO would hold the reader
		return nil, fmt.Errorf("%s: %w", path, errNoFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64)
	n, err := f.Read(b)
	if n == 0 && err != nil {
		return nil, err
	}
	return b[:n], nil
}

// stamp writes the time since boot, suspended time too: no clock that is set makes an old beat look new. The file is written in place, for
// keepalived watches the folder and a new file every second would wake it.
func (f *folder) stamp(since time.Duration) error {
	if f.beat == nil {
		path := filepath.Join(f.dir, beatName)
		if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("stamp the beat: %s: %w", path, errNoFile)
		}
		b, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("stamp the beat: %w", err)
		}
		f.made, err = b.Stat()
		if err = errors.Join(err, b.Chmod(0o644)); err != nil { // the umask
			b.Close()
			return fmt.Errorf("stamp the beat: %w", err)
		}
		f.beat = b
	}
	if !f.here(f.made) { // somebody removed it
		f.beat.Close()
		f.beat = nil
		return errors.New("stamp the beat: its file was removed")
	}
	if _, err := f.beat.WriteAt(beatText(since), 0); err != nil {
		return fmt.Errorf("stamp the beat: %w", err)
	}
	return nil
}

func (f *folder) here(beat fs.FileInfo) bool {
	st, err := os.Lstat(filepath.Join(f.dir, beatName))
	return err == nil && os.SameFile(st, beat)
}

// beatText is milliseconds since boot in fixed width, so that a write never leaves digits of an older one.
func beatText(since time.Duration) []byte { return fmt.Appendf(nil, "%015d\n", since.Milliseconds()) }

// sinceBoot is CLOCK_BOOTTIME.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // no such kernel; a beat of 0 is too old for every reader
	}
	return time.Duration(ts.Nano())
}

// BeatAge is how long ago an agent last stamped the verdict folder; an error where it never did since boot.
func BeatAge(dir string) (time.Duration, error) {
	b, err := readSmall(filepath.Join(dir, beatName))
	if err != nil {
		return 0, fmt.Errorf("read beat: %w", err)
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	now := sinceBoot()
	if err != nil || ms <= 0 || ms > now.Milliseconds() {
		return 0, fmt.Errorf("read beat: %.20q is no time of this boot", b)
	}
	return now - time.Duration(ms)*time.Millisecond, nil
}
