package procs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// TicksPerSecond of the times in /proc: USER_HZ, which is 100 on every architecture of Linux that Go runs on.
const TicksPerSecond = 100

// Stat is what proc_pid_stat(5) tells of one process.
type Stat struct {
	PID     int
	Comm    string // cut at 15 bytes by the kernel
	State   byte   // R, S, D, T, Z ... of the main thread
	Parent  int
	Threads int    // 1 of a zombie's main thread: others still run
	Start   uint64 // in ticks since the boot: with PID it is one process and no other
}

// Started is when the process started, counted from the boot, rounded down to a tick.
func (s Stat) Started() time.Duration { return time.Duration(s.Start) * (time.Second / TicksPerSecond) }

// Gone reports whether the process has ended. One whose main thread ended before the others is a zombie that lives.
func (s Stat) Gone() bool { return s.State == 'X' || s.State == 'Z' && s.Threads <= 1 }

var errStat = errors.New("unexpected content of a stat file")

// mostTicks is 174 years: what is above is no time, and would not fit a time.Duration.
const mostTicks = 1 << 39

// ParseStat reads the content of a stat file: "12 (name) S 1 ...", in which the name may hold anything.
func ParseStat(b []byte) (Stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return Stat{}, errStat
	}
	rest := strings.Fields(string(b[end+1:])) // from the third field on
	if len(rest) < 20 || len(rest[0]) != 1 {
		return Stat{}, errStat
	}
	s := Stat{Comm: string(b[open+1 : end]), State: rest[0][0]}
	var errs [4]error
	s.PID, errs[0] = strconv.Atoi(strings.TrimSpace(string(b[:open])))
	s.Parent, errs[1] = strconv.Atoi(rest[1])
	s.Threads, errs[2] = strconv.Atoi(rest[17])
	s.Start, errs[3] = strconv.ParseUint(rest[19], 10, 63)
	if errors.Join(errs[:]...) != nil || s.Start > mostTicks {
		return Stat{}, errStat
	}
	return s, nil
}

// ReadStat reads the stat of one process below proc. The error is fs.ErrNotExist or ESRCH for one that is not there, or ended meanwhile.
func ReadStat(proc string, pid int) (Stat, error) {
	var buffer [1024]byte // fifty numbers, and a name of at most 64 bytes
	b, err := readShort(proc+"/"+strconv.Itoa(pid)+"/stat", buffer[:])
	if err != nil {
		return Stat{}, err
	}
	s, err := ParseStat(b)
	if err != nil {
		return Stat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return s, nil
}

// Uptime is the time since the boot (proc_uptime(5)), from which Stat.Started counts.
func Uptime(proc string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(proc, "uptime"))
	if err != nil {
		return 0, err
	}
	word, _, _ := strings.Cut(string(b), " ")
	s, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return 0, fmt.Errorf("read uptime: %w", err)
	}
	return time.Duration(s * float64(time.Second)), nil
}
