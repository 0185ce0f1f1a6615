package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// answer is what the runtime socket said.
type answer struct {
	info  info
	stat  proxies
	err   error
	tried bool
}

var (
	errDenied = errors.New("permission denied by the socket")
	// errNobody means that nobody listens on the socket: it is missing or refuses.
	errNobody = errors.New("nobody listens on the socket")
)

// ask puts `show info` and `show stat` to a runtime socket, over one connection, within timeout.
func ask(ctx context.Context, path string, timeout time.Duration) answer {
	a := answer{tried: true}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	text, err := exchange(ctx, path, "show info;show stat\n")
	if err != nil {
		a.err = err
		return a
	}
	first, second, _ := strings.Cut(text, "\n\n")
	if strings.HasPrefix(strings.TrimSpace(first), "Permission denied") || strings.HasPrefix(strings.TrimSpace(second), "Permission denied") {
		a.err = errDenied
		return a
	}
	if a.info, a.err = parseInfo(first); a.err == nil {
		a.stat, a.err = parseStat(strings.TrimLeft(second, "\n"))
	}
	return a
}

// exchange sends one command line and reads until HAProxy closes.
func exchange(ctx context.Context, path, command string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return "", fmt.Errorf("%w: %w", errNobody, err)
	case err != nil:
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if _, err := io.WriteString(conn, command); err != nil {
		return "", ended(ctx, fmt.Errorf("ask: %w", err))
	}
	b, err := io.ReadAll(io.LimitReader(conn, maxAnswer+1))
	if err != nil {
		return "", ended(ctx, fmt.Errorf("read the answer: %w", err))
	}
	if len(b) > maxAnswer {
		return "", fmt.Errorf("read the answer: more than %d bytes", maxAnswer)
	}
	return string(b), nil
}

// ended tells a deadline from another failure.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// late reports whether an error means that no answer came in time. A full backlog (EAGAIN) is the same silence.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EAGAIN)
}

// denied reports whether an error means that we may not ask.
func denied(err error) bool { return errors.Is(err, errDenied) || errors.Is(err, os.ErrPermission) }
