package repair

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dumpTime is what a Go daemon needs to write its goroutines.
const dumpTime = time.Second

// dumpGoroutines asks a daemon for its goroutines, which go to its own log. It does so only where the process catches SIGUSR1: any other would
// be ended by it.
func dumpGoroutines(ctx context.Context, proc string, pid int) (did bool, err error) {
	if pid <= 1 {
		return false, nil
	}
	catches, err := catchesSignal(proc, pid, syscall.SIGUSR1)
	if err != nil || !catches {
		return false, err
	}
	p, err := os.FindProcess(pid) // by a pidfd: never another process of the same number
	if err != nil {
		return false, fmt.Errorf("find process %d: %w", pid, err)
	}
	defer func() { _ = p.Release() }()
	if again, err := catchesSignal(proc, pid, syscall.SIGUSR1); err != nil || !again {
		return false, err
	}
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		return false, fmt.Errorf("signal process %d: %w", pid, err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(dumpTime):
	}
	return true, nil
}

// catchesSignal reads SigCgt of proc_pid_status(5).
func catchesSignal(proc string, pid int, s syscall.Signal) (bool, error) {
	f, err := os.Open(filepath.Join(proc, strconv.Itoa(pid), "status"))
	if err != nil {
		return false, fmt.Errorf("read the signals of process %d: %w", pid, err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		mask, found := strings.CutPrefix(lines.Text(), "SigCgt:")
		if !found {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return false, fmt.Errorf("read the signals of process %d: %w", pid, err)
		}
		return n&(1<<(uint(s)-1)) != 0, nil
	}
	return false, fmt.Errorf("read the signals of process %d: no SigCgt", pid)
}
