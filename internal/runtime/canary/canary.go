package canary

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"nodeagent/internal/runtime/oci"
	"nodeagent/internal/view"
)

// Label marks every sandbox and container of a canary.
const Label = "nodeagent/canary"

// Namespace is containerd's namespace of the native path.
const Namespace = "nodeagent-canary"

// The two paths.
const (
	CRI    = "cri"
	Native = "native"
)

// Config says what is run, and on what.
type Config struct {
	Runtime       string        // containerd, cri-o: as its Version says
	Version       string        // the runtime's own
	Handlers      []oci.Handler // those to go through
	PauseImage    string        // of the CRI path; empty: not known
	KubeletHere   bool          // leave the CRI alone
	SystemdCgroup bool          // the cgroup driver is systemd
	Dir           string        // folder of ours, made if missing: lock and root file systems
	Program       string        // static binary, absolute path
	Wait, Exec    []string      // its arguments: to run until SIGTERM, and to end at once with 0
	StepTimeout   time.Duration // deadline of each step; above 0
	CgroupParent  string        // of the CRI path; empty: one of ours, removed again
	// Progress is told each step as it begins; nil: nobody is.
	Progress func(handler, step string)
}

// ErrBusy says that another canary runs in the same folder.
var ErrBusy = errors.New("another canary runs")

// path decides how a canary goes; off says why it does not.
func (c Config) path() (path, off string) {
	switch {
	case c.KubeletHere && c.Runtime == "containerd":
		return Native, ""
	case c.KubeletHere:
		return "", "a kubelet is here, which kills what it does not know, and " + c.Runtime + " has no other way in than the CRI"
	case c.PauseImage == "":
		return "", "the runtime does not tell its pause image"
	}
	return CRI, ""
}

// Run removes what an earlier run left, and goes through each handler. One that fails does not keep the next from being tried; the error is of
// what concerns them all. What was made is removed also when ctx ends: that takes at most three more StepTimeouts.
func Run(ctx context.Context, conn grpc.ClientConnInterface, c Config) ([]view.Canary, error) {
	path, off := c.path()
	if off != "" {
		return allOff(c, off), nil
	}
	unlock, err := lock(c.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var r runner
	if path == Native {
		r = &native{c: c, conn: conn}
	} else {
		p := newCRI(c, conn)
		has, err := p.hasImage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for the pause image: %w", err)
		}
		if !has {
			return allOff(c, "the pause image "+c.PauseImage+" is not on the node"), nil
		}
		r = p
	}
	if err := r.sweep(ctx); err != nil {
		return nil, fmt.Errorf("remove what an earlier canary left: %w", err)
	}
	var out []view.Canary
	for _, h := range c.Handlers {
		if path == Native && h.Type != "io.containerd.runc.v2" {
			out = append(out, view.Canary{Handler: h.Name, At: time.Now(), Off: "a shim of type " + h.Type + " is not tried without the CRI"})
			continue
		}
		out = append(out, one(ctx, r, h, path, c))
	}
	// Ours alone is left, if anything: a step that failed may have left it.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.StepTimeout)
	defer cancel()
	if err := r.sweep(clean); err != nil {
		return out, fmt.Errorf("clean up: %w", err)
	}
	return out, ctx.Err()
}

func allOff(c Config, why string) []view.Canary {
	var out []view.Canary
	for _, h := range c.Handlers {
		out = append(out, view.Canary{Handler: h.Name, At: time.Now(), Off: why})
	}
	return out
}

// runner is a path. steps answers what to do for one handler, in order; the last two stop and remove, and are done whatever came before.
type runner interface {
	steps(h oci.Handler) []step
	sweep(ctx context.Context) error
}

type step struct {
	name string
	do   func(context.Context) error
	end  bool // it undoes: done even if an earlier one failed or the caller gave up
}

func one(ctx context.Context, r runner, h oci.Handler, path string, c Config) view.Canary {
	res := view.Canary{Handler: h.Name, Path: path, At: time.Now(), OK: true}
	for _, s := range r.steps(h) {
		if !res.OK && !s.end {
			continue
		}
		stepCtx := ctx
		if s.end {
			stepCtx = context.WithoutCancel(ctx)
		}
		if c.Progress != nil {
			c.Progress(h.Name, s.name)
		}
		stepCtx, cancel := context.WithTimeout(stepCtx, c.StepTimeout)
		began := time.Now()
		err := s.do(stepCtx)
		cancel()
		done := view.CanaryStep{Name: s.name, Seconds: time.Since(began).Seconds()}
		if err != nil {
			done.Error = text(err)
			if res.OK {
				res.OK, res.Error = false, s.name+": "+done.Error
			}
		}
		res.Steps = append(res.Steps, done)
	}
	return res
}

// text is an error's message without gRPC's words around it.
func text(err error) string {
	if st, ok := status.FromError(err); ok {
		return st.Message()
	}
	return err.Error()
}

// lock takes the folder for this run alone. The kernel lets it go when the process ends, however it ends.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the canary's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the canary's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w in %s: wait for its end", ErrBusy, dir)
		}
		return nil, fmt.Errorf("lock the canary's folder: %w", err)
	}
	return func() { f.Close() }, nil
}
