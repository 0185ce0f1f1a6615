package component

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// journalDeadline bounds one look into the journal, which may lie on a disk that hangs: a kubelet is not to be told as down much later for it.
const journalDeadline = 3 * time.Second

// JournalError is the last error that a unit's own processes wrote to the journal, if it is among their last lines; empty: there is none.
func JournalError(ctx context.Context, unit string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, journalDeadline)
	defer cancel()
	// Without --since: systemd 252 counts the lines from there on, and not from the end.
	c := exec.CommandContext(ctx, "journalctl", "--quiet", "--no-pager", "--lines=30", "--output=cat", "_SYSTEMD_UNIT="+unit)
	c.WaitDelay = time.Second
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("journalctl: %w", err)
	}
	return lastError(string(out)), nil
}

// klogError is a line of severity error or fatal as klog writes it: "E1128 01:33:51.136446     617 run.go:72] TEXT". A panic and Go's own last words
// have no such head.
var klogError = regexp.MustCompile(`^(?:[EF]\d{4} [0-9:.]+ +\d+ [^ ]+:\d+\] |(panic: |fatal error: |[Ee]rror: ))(.+)$`)

// lastError finds the last error in a log.
func lastError(log string) string {
	found := ""
	for line := range strings.Lines(log) {
		if m := klogError.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			found = m[1] + m[2]
		}
	}
	const most = 400
	if len(found) > most {
		found = strings.ToValidUTF8(found[:most], "") + "..."
	}
	return found
}
