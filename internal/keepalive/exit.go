package keepalive

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// onExit calls fn once when the process ends, or at once if it has. stop ends the watch. Where the kernel has no pidfds that can be polled
// (before 5.10) nothing is watched: the looks find it.
func onExit(p Process, proc string, fn func()) (stop func()) {
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		go fn()
		return func() {}
	}
	if err != nil {
		return func() {}
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	if now, err := readProcess(proc, p.PID); err != nil || now.Start != p.Start { // the number is another process' by now
		file.Close()
		go fn()
		return func() {}
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return func() {}
	}
	go func() {
		ended := false
		_ = conn.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			ended = n > 0
			return ended || err != nil && !errors.Is(err, unix.EINTR)
		})
		if ended {
			fn()
		}
	}()
	return func() { file.Close() }
}
