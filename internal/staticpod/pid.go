package staticpod

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// owner tells whose a process is whose pid the runtime gave for a container.
type owner uint8

const (
	unsure  owner = iota
	its           // the container's
	another       // not the container's any more: that one has ended
)

// reuseMargin is how much younger than its container a process must be to be another one: wall clocks are compared, and the container's is
// taken by the runtime a moment after the process was made.
const reuseMargin = 10 * time.Second

// ticks a second of /proc's times: USER_HZ, which Linux fixes at 100 for programs.
const ticks = 100

// ownerOf judges the process that has the pid now, and lives. To take the container for ended it wants both a cgroup that is not the container's
// and a start after the container's: a process may leave its cgroup, and a clock may be set.
func ownerOf(pid int, id string, started time.Time) owner {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return unsure
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return unsure
	}
	up, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return unsure
	}
	return judgeOwner(string(cgroup), stat, string(up), id, started, time.Now())
}

// judgeOwner is ownerOf over what /proc said (proc_pid_cgroup(5), proc_pid_stat(5), proc_uptime(5)).
func judgeOwner(cgroup string, stat []byte, uptime, id string, started, now time.Time) owner {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on; the name before may hold anything
	if len(fields) < 20 {
		return unsure
	}
	if strings.Contains(cgroup, id) {
		return its
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 63)
	word, _, _ := strings.Cut(uptime, " ")
	up, upErr := strconv.ParseFloat(word, 64)
	if err != nil || upErr != nil || started.IsZero() {
		return unsure
	}
	age := time.Duration((up - float64(start)/ticks) * float64(time.Second))
	if now.Add(-age).After(started.Add(reuseMargin)) {
		return another
	}
	return unsure
}
