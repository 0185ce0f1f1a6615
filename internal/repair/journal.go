package repair

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// journal gives the last line that a unit's own processes wrote, as `journalctl --output=json` has it; nothing: there is none.
type journal func(ctx context.Context, unit string) ([]byte, error)

// journalDeadline bounds one look: journalctl opens every file there is, and on a disk that hangs it would wait for ever.
const journalDeadline = 10 * time.Second

// journalctl is the journal of this machine. It is asked only while everything else speaks for a restart.
func journalctl(ctx context.Context, unit string) ([]byte, error) {
	return Journal(ctx, unit, "--lines=1", "--output=json", "--output-fields=_SYSTEMD_UNIT")
}

// Journal gives what a unit's own processes wrote to this machine's journal, of which args choose (journalctl(1)); nothing: there is none. It takes
// 10 s at most.
func Journal(ctx context.Context, unit string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, journalDeadline)
	defer cancel()
	// By the field, not by --unit: that has systemd's own lines about the unit too.
	cmd := exec.CommandContext(ctx, "journalctl", append([]string{"--quiet", "--no-pager", "_SYSTEMD_UNIT=" + unit}, args...)...)
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("journalctl: %w: %.200s", err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}

// errNoLine says that no line of the unit was found in this boot: it writes elsewhere, or wrote long ago.
var errNoLine = errors.New("the journal has no line of it")

// silentFor is how long ago a unit last wrote to the journal, in this boot. up is CLOCK_MONOTONIC, by which journald dates a line beside the
// clock's time; the latter only tells whether the line is of this boot: the boot's id in a container is not always the kernel's.
func (j journal) silentFor(ctx context.Context, unit string, up time.Duration, now time.Time) (time.Duration, error) {
	line, err := j(ctx, unit)
	if err != nil {
		return 0, err
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return 0, errNoLine
	}
	var at struct {
		Clock     string `json:"__REALTIME_TIMESTAMP"`
		Monotonic string `json:"__MONOTONIC_TIMESTAMP"` // both in microseconds
	}
	if err := json.Unmarshal(line, &at); err != nil {
		return 0, fmt.Errorf("read journalctl's answer: %w", err)
	}
	clock, err1 := strconv.ParseInt(at.Clock, 10, 64)
	monotonic, err2 := strconv.ParseInt(at.Monotonic, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("read journalctl's answer: %w", err)
	}
	if time.UnixMicro(clock).Before(now.Add(-up)) {
		return 0, errNoLine
	}
	return max(up-time.Duration(monotonic)*time.Microsecond, 0), nil
}
