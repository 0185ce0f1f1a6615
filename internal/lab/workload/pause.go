package workload

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// pause holds a sandbox's namespaces and reaps what its containers leave in a
// shared process namespace.
func pause(term context.Context) error {
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	defer signal.Stop(child)
	for {
		reap()
		select {
		case <-child:
		case <-term.Done():
			return nil
		}
	}
}

// reap waits for every child that ended; one signal may stand for several.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}
