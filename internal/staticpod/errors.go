package staticpod

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errStillRunning says that the runtime called a stop done and goes on calling the container running: it has lost the container's task. It is
// an error so that it is not asked again at once, for ever.
var errStillRunning = errors.New("the runtime called it stopped, and goes on calling it running")

func isNotFound(err error) bool { return err != nil && status.Code(err) == codes.NotFound }

// isInDoubt reports whether a mutation that failed may have happened all the same: only the next reading tells.
func isInDoubt(err error) bool {
	if err == nil {
		return false
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.Unavailable, codes.Canceled:
		return true
	}
	// "name ... is reserved for ..." means that an earlier request for the same thing is still at work.
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "is reserved for")
}

// isNoImage reports whether a container could not be made for want of its image.
func isNoImage(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "image") && (status.Code(err) == codes.NotFound || strings.Contains(text, "not found"))
}
