package staticpod

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/procs"
)

// owner tells whose a process is whose pid the runtime gave for a container.
type owner uint8

const (
	unsure  owner = iota
	its           // the container's
	another       // not the container's any more: that one has ended
)

const procfs = "/proc"

// reuseMargin is how much younger than its container a process must be to be another one: wall clocks are compared, and the container's is
// taken by the runtime a moment after the process was made.
const reuseMargin = 10 * time.Second

// ownerOf judges the process that has the pid now, and lives. To take the container for ended it wants both a cgroup that is not the container's
// and a start after the container's: a process may leave its cgroup, and a clock may be set.
func ownerOf(pid int, id string, started time.Time) owner {
	cgroup, err := os.ReadFile(filepath.Join(procfs, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return unsure
	}
	stat, err := procs.ReadStat(procfs, pid)
	if err != nil {
		return unsure
	}
	up, err := procs.Uptime(procfs)
	if err != nil {
		return unsure
	}
	return judgeOwner(string(cgroup), up-stat.Started(), id, started, time.Now())
}

// judgeOwner is ownerOf over what /proc said: the process' cgroups (proc_pid_cgroup(5)) and its age.
func judgeOwner(cgroup string, age time.Duration, id string, started, now time.Time) owner {
	switch {
	case strings.Contains(cgroup, id):
		return its
	case !started.IsZero() && now.Add(-age).After(started.Add(reuseMargin)):
		return another
	}
	return unsure
}
