package machine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

// spare is how many instances must be left: what a container with systemd, or a restarting kubelet, takes at once.
const spare = 8

// instances is how many more inotify instances the agent's user, which is the kubelet's and the shims' too, can make: at most spare.
type instances struct {
	left int
	err  error // why no more could be made, where that is not the limit
}

// tryInotify makes instances and closes them at once. The kernel tells nobody how many are in use; counting them in /proc would take a
// readlink for each file that any process has open, and the right to.
func tryInotify() instances {
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for len(fds) < spare {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if errors.Is(err, unix.EMFILE) {
			if fileLimit() {
				return instances{len(fds), errors.New("the agent itself has too many files open")}
			}
			return instances{len(fds), nil}
		}
		if err != nil {
			return instances{len(fds), fmt.Errorf("inotify_init1: %w", err)}
		}
		fds = append(fds, fd)
	}
	return instances{left: spare}
}

// fileLimit tells the two meanings of EMFILE apart: no file of any kind can be opened where it is the process' own limit.
func fileLimit() bool {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return errors.Is(err, unix.EMFILE)
}

func judgeInotify(i instances, limit string) health.Finding {
	most := ""
	if limit != "" {
		most = " of " + limit
	}
	switch {
	case i.err != nil:
		return unknown(reasonInotifyUnread, i.err)
	case i.left == 0:
		return failing(reasonInotifyUsedUp, "no inotify instance"+most+" is left for root")
	case i.left < spare:
		return failing(reasonInotifyFew, fmt.Sprintf("%d inotify instances%s are left for root", i.left, most))
	}
	return fine(fmt.Sprintf("at least %d instances%s left", spare, most))
}
