package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// most is how much of a file or command is held in memory: its end.
const most = 8 << 20

// Text is an item that is at hand.
func Text(name string, text []byte) Item {
	return Item{Name: name, Read: func(context.Context) ([]byte, error) { return text, nil }}
}

// File is the end of a regular file.
func File(name, path string) Item {
	return Item{Name: name, Read: func(context.Context) ([]byte, error) { return readEnd(path, most) }}
}

// readEnd reads at most n bytes from the end of a regular file, never a pipe or device.
func readEnd(path string, n int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("collect: %s is no regular file", path)
	}
	if over := info.Size() - n; over > 0 {
		if _, err := f.Seek(over, io.SeekStart); err != nil {
			return nil, fmt.Errorf("collect: %w", err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return b, fmt.Errorf("collect: %w", err)
	}
	return b, nil
}

// Command is what a command prints, errors too. It is run with no input and a fixed environment, and killed when its time is over.
func Command(name string, words ...string) Item {
	return Item{Name: name, Read: func(ctx context.Context) ([]byte, error) {
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SYSTEMD_COLORS=0"}
		cmd.WaitDelay = 500 * time.Millisecond
		var out end
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%s is not installed", words[0])
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", words[0], err)
		}
		return out.bytes(), err
	}}
}

// end keeps the last bytes that were written to it.
type end struct{ b bytes.Buffer }

func (e *end) Write(p []byte) (int, error) {
	if e.b.Len()+len(p) > 2*most {
		e.b.Next(max(0, e.b.Len()-most))
	}
	return e.b.Write(p)
}

func (e *end) bytes() []byte { return e.b.Bytes()[max(0, e.b.Len()-most):] }
