package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
	"nodeagent/internal/runtime/canary"
	"nodeagent/internal/view"
)

// CanaryConfig says when and with what a canary is run.
type CanaryConfig struct {
	Every       time.Duration // from one to the next; 0: never by itself
	StepTimeout time.Duration // deadline of each step; 0: DefaultCanaryStep
	Dir         string        // folder of ours, for lock and root file systems
	Program     string        // static binary, absolute path: the agent's own
	Wait, Exec  []string      // its arguments: to run until SIGTERM, and to end at once with 0
	KubeletHere func() bool   // nil: no kubelet is here
	// CgroupParent of its sandboxes on the CRI; empty: one of ours, removed again.
	CgroupParent string
	// Progress is told each step as it begins; nil: nobody is.
	Progress func(handler, step string)
}

// DefaultCanaryStep is far above what any step takes on a node that works: about 0.1 s.
const DefaultCanaryStep = 30 * time.Second

// canaryAgain is the longest pause after a canary that failed.
const canaryAgain = 5 * time.Minute

// Reasons of RuntimeCanary.
var (
	reasonCanaryFailed = &health.Reason{Name: "Failed", Fix: "A pod of this handler would fail in the same step: see the message, OCIRuntimes and `journalctl -u containerd -n 100` (or crio); try again with `nodeagent canary`."}
	reasonCanaryOff    = &health.Reason{Name: "NotRun", Fix: "The message says why no canary could be run; try by hand with `nodeagent canary`."}
)

// RuntimeCanary is one subject a handler. Its only writer is the canary task.
var RuntimeCanary = detail("RuntimeCanary", "A container that does nothing starts, runs a command and ends, through each runtime handler.", health.Degraded, 16,
	reasonCanaryFailed, reasonCanaryOff)

// passCanary runs one canary if it is time, and publishes RuntimeCanary.
func (r *Runtime) passCanary(ctx context.Context) (next time.Time, err error) {
	cfg := r.config()
	cc := cfg.Canary
	none := func(why string) { // what an earlier one found is of the past
		r.canaryAt = time.Time{}
		r.Canary.Set(nil)
		r.board.Publish(health.Look{Of: RuntimeCanary, Findings: []health.Finding{{Status: health.Absent, Message: why}}})
	}
	if cc.Every <= 0 {
		none("no canary is run: runtimeCanary.every is 0")
		return time.Time{}, nil
	}
	now := time.Now()
	well := r.well.Load()
	if well != nil && well.reason == absent {
		none("no CRI runtime is here, and none is needed: " + cfg.unneeded())
		return time.Time{}, nil
	}
	if due := r.canaryDue(cc.Every); !r.canaryAt.IsZero() && now.Before(due) {
		return due, nil // a wake of something else
	}
	if well == nil || well.reason != "" { // RuntimeResponsive says it; a canary would only say it again. The look wakes this task once it is well
		return time.Time{}, nil
	}
	r.canaryAt = now
	results, err := runCanary(ctx, r.link, cfg)
	if ctx.Err() != nil {
		return time.Time{}, nil
	}
	if err != nil {
		r.log.Warn("canary", zap.Error(err))
	}
	if results != nil {
		r.Canary.Set(results)
	}
	valid := health.Validity(cc.Every, cmp.Or(cc.StepTimeout, DefaultCanaryStep)*time.Duration(8*max(1, len(results))))
	found := judgeCanary(results, err)
	r.board.Publish(health.Look{Of: RuntimeCanary, Valid: valid, Findings: found})
	r.canaryFailed = slices.ContainsFunc(found, func(f health.Finding) bool { return f.Status != health.OK && f.Status != health.Absent })
	return r.canaryDue(cc.Every), nil
}

// canaryDue is when the next one is run: after one that failed sooner, for what was put right is to be known soon.
func (r *Runtime) canaryDue(every time.Duration) time.Time {
	if r.canaryFailed {
		every = min(every, canaryAgain)
	}
	return r.canaryAt.Add(every)
}

func judgeCanary(results []view.Canary, err error) []health.Finding {
	var out []health.Finding
	for _, x := range results {
		f := health.Finding{Subject: x.Handler, Status: health.OK, Message: "path " + x.Path}
		switch {
		case x.Off != "":
			f.Status, f.Message = health.Absent, x.Off
		case !x.OK:
			f.Status, f.Reason, f.Message = health.Failing, reasonCanaryFailed, x.Error
		}
		out = append(out, f)
	}
	if err != nil && len(out) == 0 {
		out = append(out, unknown(reasonCanaryOff, "%v", err))
	}
	if err != nil && len(results) > 0 {
		out = append(out, about("clean-up", failing(reasonCanaryFailed, "%v", err)))
	}
	if len(out) == 0 {
		out = append(out, unknown(reasonCanaryOff, "the runtime did not tell its handlers"))
	}
	return out
}

// RunCanary runs one canary now on the runtime that is found now, for `nodeagent canary`. It needs root. A runtime that does not answer is an error;
// a handler that fails is a result.
func RunCanary(ctx context.Context, cfg Config) ([]view.Canary, error) {
	where := cfg.detect()
	if where.Endpoint.Path == "" {
		return nil, cmp.Or(where.Invalid, errors.New("no CRI runtime was found on this node: see `nodeagent status`"))
	}
	c, err := dial(where.Endpoint, identify(where.Endpoint.Path), nil, nil)
	if err != nil {
		return nil, err
	}
	defer c.close()
	s := Seen{Timeout: cfg.ProbeTimeout}
	c.look(ctx, &s)
	if err := cmp.Or(s.Dial, s.Version.Err, s.Status.Err); err != nil {
		return nil, fmt.Errorf("the runtime at %s does not answer: %w", where.Endpoint, err)
	}
	return runCanary(ctx, c, cfg)
}

// runCanary asks the runtime for its handlers and goes through them.
func runCanary(ctx context.Context, conn grpc.ClientConnInterface, cfg Config) ([]view.Canary, error) {
	var version timedAnswer[*cri.VersionResponse]
	client := cri.NewRuntimeServiceClient(conn)
	version.ask(ctx, cfg.ProbeTimeout, func(ctx context.Context) (*cri.VersionResponse, error) {
		return client.Version(ctx, &cri.VersionRequest{Version: "v1"})
	})
	if version.Err != nil {
		return nil, fmt.Errorf("ask for the version: %w", version.Err)
	}
	c := connectionOf(conn)
	if c == nil {
		return nil, status.Error(codes.Unavailable, "the runtime is not connected")
	}
	d := &detailsSeen{cfg: cfg, now: time.Now(), name: version.Resp.GetRuntimeName(), version: version.Resp.GetRuntimeVersion()}
	if x := c.dialed.Load(); x != nil {
		d.peer = x.peer
	}
	d.seeCalls(ctx, c)
	if err := cmp.Or(d.status.Err, d.toldErr); err != nil {
		return nil, fmt.Errorf("ask for the handlers: %w", err)
	}
	if d.told.PauseImage == "" {
		for _, i := range d.images.Resp.GetImages() {
			if i.GetPinned() && len(i.GetRepoTags()) > 0 {
				d.told.PauseImage = i.GetRepoTags()[0] // see judgePause
				break
			}
		}
	}
	cc := cfg.Canary
	return canary.Run(ctx, conn, canary.Config{
		Runtime: d.name, Version: d.version, Handlers: d.told.Handlers, PauseImage: d.told.PauseImage, KubeletHere: cc.KubeletHere != nil && cc.KubeletHere(),
		SystemdCgroup: d.cgroupDriver() == "systemd", Dir: cc.Dir, Program: cc.Program, Wait: cc.Wait, Exec: cc.Exec,
		StepTimeout: cmp.Or(cc.StepTimeout, DefaultCanaryStep), CgroupParent: cc.CgroupParent, Progress: cc.Progress,
	})
}

func connectionOf(conn grpc.ClientConnInterface) *connection {
	switch c := conn.(type) {
	case *connection:
		return c
	case *link:
		return c.now.Load()
	}
	return nil
}
