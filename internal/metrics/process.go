package metrics

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// What every exporter says of its own process. client_golang's collector reads seven files of /proc for it, and two of its figures are those
// of the whole network namespace: a fifth of what a scrape of twenty pods took.
var (
	processCPUDesc     = plain("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
	processVirtualDesc = plain("process_virtual_memory_bytes", "Virtual memory size in bytes.")
	processMemoryDesc  = plain("process_resident_memory_bytes", "Resident memory size in bytes.")
	processStartDesc   = plain("process_start_time_seconds", "Start time of the process since unix epoch in seconds.")
	processFilesDesc   = plain("process_open_fds", "Number of open file descriptors.")
	processLimitDesc   = plain("process_max_fds", "Maximum number of open file descriptors.")
)

// ticks a second of the times in /proc, on every Linux that Go runs on.
const ticks = 100

// process is the part that says them. When the process began is read once.
func process() func(*samples) {
	began, beganErr := startTime()
	return func(to *samples) {
		if beganErr != nil {
			to.err = beganErr
			return
		}
		to.err = processSamples(to, began)
	}
}

func processSamples(to *samples, began time.Time) error {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return fmt.Errorf("read the CPU time: %w", err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	memory, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return fmt.Errorf("read the memory: %w", err)
	}
	var pages [2]uint64 // size, resident
	for i, f := range bytes.Fields(memory)[:2] {
		if pages[i], err = strconv.ParseUint(string(f), 10, 64); err != nil {
			return fmt.Errorf("read the memory: %w", err)
		}
	}
	files, err := openFiles()
	if err != nil {
		return fmt.Errorf("count open files: %w", err)
	}
	page := float64(os.Getpagesize())
	to.counter(processCPUDesc, time.Duration(used.Utime.Nano()+used.Stime.Nano()).Seconds())
	to.gauge(processVirtualDesc, float64(pages[0])*page)
	to.gauge(processMemoryDesc, float64(pages[1])*page)
	to.gauge(processStartDesc, seconds(began))
	to.gauge(processFilesDesc, float64(files))
	to.gauge(processLimitDesc, float64(limit.Cur))
	return nil
}

// openFiles asks for the size of the folder, which is their number since Linux 6.2, and counts where it is older.
func openFiles() (int, error) {
	const folder = "/proc/self/fd"
	if st, err := os.Stat(folder); err == nil && st.Size() > 0 {
		return int(st.Size()), nil
	}
	f, err := os.Open(folder)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	return len(names) - 1, err // without f
}

// startTime is when this process began, by the clock as it is set now.
func startTime() (time.Time, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read the start time: %w", err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // a name may have spaces
	if len(fields) < 20 {
		return time.Time{}, fmt.Errorf("read the start time: %d fields", len(fields))
	}
	after, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the start time: %w", err)
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}, fmt.Errorf("read the time since the boot: %w", err)
	}
	return time.Now().Add(time.Duration(after)*time.Second/ticks - time.Duration(up.Nano())), nil
}
