package keepalive

import (
	"fmt"
	"strconv"
	"strings"
)

// State is a state of a VRRP instance.
type State string

// The states.
const (
	StateUnknown State = "UNKNOWN" // nobody told
	StateMaster  State = "MASTER"
	StateBackup  State = "BACKUP"
	StateFault   State = "FAULT"
	StateStopped State = "STOP" // keepalived ended, or the instance was removed
)

// notice is one line of keepalived's notify FIFO: INSTANCE "VI_1" MASTER 101.
type notice struct {
	group    bool
	name     string
	word     string // as written: MASTER, BACKUP, FAULT, STOP, DELETED, MASTER_RX_LOWER_PRI, MASTER_PRIORITY, BACKUP_PRIORITY ...
	priority int    // 0 for groups
}

// state is the state that the line tells; false where it tells none.
func (n notice) state() (State, bool) {
	switch n.word {
	case "MASTER", "MASTER_RX_LOWER_PRI", "MASTER_PRIORITY":
		return StateMaster, true
	case "BACKUP", "BACKUP_PRIORITY":
		return StateBackup, true
	case "FAULT":
		return StateFault, true
	case "STOP", "DELETED":
		return StateStopped, true
	}
	return StateUnknown, false
}

// maxNotice bounds a line: PIPE_BUF is 4096, and lines that are longer are not atomic.
const maxNotice = 1024

func parseNotice(line string) (notice, error) {
	bad := func(why string) (notice, error) {
		return notice{}, fmt.Errorf("notify line %.80q: %s", line, why)
	}
	if len(line) > maxNotice {
		return bad("too long")
	}
	kind, rest, ok := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	if !ok || kind != "INSTANCE" && kind != "GROUP" {
		return bad("it begins with neither INSTANCE nor GROUP")
	}
	if !strings.HasPrefix(rest, `"`) {
		return bad("the name is not quoted")
	}
	end := strings.LastIndexByte(rest, '"')
	if end <= 1 || strings.ContainsFunc(rest[1:end], func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' }) {
		return bad("no name")
	}
	fields := strings.Fields(rest[end+1:])
	if len(fields) == 0 || len(fields) > 2 {
		return bad("want a state and a priority")
	}
	n := notice{group: kind == "GROUP", name: rest[1:end], word: fields[0]}
	if len(fields) == 2 {
		p, err := strconv.Atoi(fields[1])
		if err != nil || p < 0 || p > 255 {
			return bad("the priority is no number from 0 to 255")
		}
		n.priority = p
	}
	return n, nil
}
