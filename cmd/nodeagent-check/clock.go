package main

import (
	"syscall"
	"unsafe"
)

const clockBoottime = 7 // CLOCK_BOOTTIME of linux/time.h, which package syscall does not name

// sinceBoot is the time since boot in ms, suspended time too; 0 where it can't be told, which makes every beat one of the future.
func sinceBoot() int64 {
	var ts syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0); err != 0 {
		return 0
	}
	return ts.Nano() / 1_000_000
}
