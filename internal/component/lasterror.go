package component

import (
	"regexp"
	"strings"
)

// klogError is a line of severity error or fatal as klog writes it: "E1128 01:33:51.136446     617 run.go:72] TEXT". A panic and Go's own last words
// have no such head.
var klogError = regexp.MustCompile(`^(?:[EF]\d{4} [0-9:.]+ +\d+ [^ ]+:\d+\] |(panic: |fatal error: |[Ee]rror: ))(.+)$`)

// LastError finds the last error in a log of kubelet's, cut at 400 bytes; empty: there is none.
func LastError(log string) string {
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
