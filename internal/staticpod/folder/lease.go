package folder

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Whole reports whether nobody is writing a file that was opened for reading, and if somebody is, when to ask again. It asks the kernel: a
// read lease is refused while anyone has the file open for writing (fcntl(2), F_SETLEASE), and while it is held a writer's open waits
// for us, so that what is read then is whole. The lease falls with the descriptor. Where leases are not to be had, quiet time stands in.
func Whole(file *os.File, st fs.FileInfo, now time.Time) (whole bool, retry time.Duration) {
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		return true, 0
	case errors.Is(err, unix.EAGAIN):
		return false, 20 * time.Millisecond
	}
	if age := now.Sub(st.ModTime()); age >= 0 && age < quiet {
		return false, quiet - age
	}
	return true, 0
}
