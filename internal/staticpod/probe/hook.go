package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
)

// HookError is a hook that did not do what it is for.
type HookError struct {
	Message string // safe to show anywhere
	Output  string // the first printable bytes of what the command or server said, 200 at most; may hold secrets
	// Status of an HTTP answer that says no, 400 and above; 0 where there was no answer, and of exec and sleep. Kubelet does not look at it: a
	// pod whose postStart is answered so runs there, so it is a reason to tell somebody and none to kill.
	Status int
}

func (e *HookError) Error() string {
	if e.Output == "" {
		return e.Message
	}
	return fmt.Sprintf("%s: %q", e.Message, e.Output)
}

// RunHook runs a postStart or preStop hook to its end (kubernetes, pkg/kubelet/lifecycle/handlers.go). The caller bounds it by ctx: what is
// left of the grace, or the deadline of a start. An error is a *HookError.
func RunHook(ctx context.Context, h *corev1.LifecycleHandler, t Target, exec Exec) error {
	var e *HookError
	switch {
	case h == nil:
		return nil
	case h.Exec != nil:
		e = execHook(ctx, h.Exec, t, exec)
	case h.HTTPGet != nil:
		e = httpHook(ctx, h.HTTPGet, t)
	case h.Sleep != nil:
		e = sleepHook(ctx, h.Sleep)
	default:
		e = &HookError{Message: "the hook has no handler that is served: use exec, httpGet or sleep"}
	}
	if e == nil {
		return nil
	}
	return e
}

func execHook(ctx context.Context, a *corev1.ExecAction, t Target, exec Exec) *HookError {
	timeout := time.Duration(0)
	if by, ok := ctx.Deadline(); ok {
		if timeout = time.Until(by); timeout <= 0 {
			return &HookError{Message: "exec: no time is left to run the hook"}
		}
	}
	out, exit, err := exec(ctx, t.ContainerID, a.Command, timeout)
	said := printable(out, maxOutput)
	switch {
	case err != nil && ctx.Err() != nil, status.Code(err) == codes.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded), err == nil && exit == -1:
		return &HookError{Message: "exec: the hook did not end in time", Output: said}
	case err != nil:
		return &HookError{Message: "exec: the runtime could not run the hook: " + printable([]byte(err.Error()), maxMessage), Output: said}
	case exit != 0:
		return &HookError{Message: fmt.Sprintf("exec: the hook ended with exit code %d", exit), Output: said}
	}
	return nil
}

func httpHook(ctx context.Context, g *corev1.HTTPGetAction, t Target) *HookError {
	r, err := request(ctx, g, t, hookAgent)
	if err != nil {
		return &HookError{Message: err.Error()}
	}
	client := newHandlers(nil).client
	answer, err := client.Do(r)
	if err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		// Older kubelets took https for http; kubelet falls back for the hooks that were written then, and never with credentials.
		r.URL.Scheme = "http"
		r.Header.Del("Authorization")
		answer, err = client.Do(r)
	}
	if err != nil {
		return &HookError{Message: what(r) + ": " + why(ctx, err, 0)}
	}
	defer answer.Body.Close()
	if answer.StatusCode < http.StatusBadRequest {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4*maxOutput)) // what does not come is not needed: the status has said all that counts
	return &HookError{Message: what(r) + ": answered " + code(answer), Output: printable(body, maxOutput), Status: answer.StatusCode}
}

func sleepHook(ctx context.Context, s *corev1.SleepAction) *HookError {
	timer := time.NewTimer(seconds(s.Seconds))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &HookError{Message: fmt.Sprintf("sleep: interrupted before its %d s were over", s.Seconds)}
	}
}
