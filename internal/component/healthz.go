package component

import "strings"

// maxChecks that are named in a message.
const maxChecks = 5

// failedChecks reads the names of the checks that fail out of an answer of /livez, /readyz or /healthz: lines such as
// "[-]etcd failed: reason withheld". Empty: none is named.
func failedChecks(body string) string {
	var names []string
	more := false
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]")
		if !ok {
			continue
		}
		name, why, _ := strings.Cut(rest, " failed")
		if why = strings.TrimPrefix(why, ": "); why != "" && why != "reason withheld" {
			name += " (" + short(why) + ")"
		}
		if len(names) == maxChecks {
			more = true
			break
		}
		names = append(names, short(name))
	}
	out := strings.Join(names, ", ")
	if more {
		out += " and more"
	}
	return out
}

// short bounds a text of another program.
func short(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
