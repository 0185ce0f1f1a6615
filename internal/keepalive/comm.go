package keepalive

import (
	"fmt"
	"os"
)

// Comm is the daemon's own name in /proc/PID/comm, by which keepalived's track_process knows it. A run of the command line has another
// one: it would stand in for a daemon that is dead.
const Comm = "nodeagentd"

// TakeName gives this process the name Comm. keepalived is told of it by the kernel, as of a process that was started under that name.
func TakeName() error {
	f, err := os.OpenFile("/proc/self/comm", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("take the name %s: %w", Comm, err)
	}
	defer f.Close()
	if _, err := f.WriteString(Comm); err != nil { // with no end of line: it would be part of the name
		return fmt.Errorf("take the name %s: %w", Comm, err)
	}
	return nil
}
