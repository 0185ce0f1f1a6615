package staticpod

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/folder"
)

// images knows which images are there and runs pulls, one an image however many pods wait for it.
type images struct {
	p *Pods

	mu sync.Mutex
	m  map[string]*image
}

type image struct {
	present   bool            // seen once; until a creation says otherwise
	pulling   time.Time       // since when; zero: no pull runs
	waiting   map[string]bool // keys
	failures  int
	err       string
	notBefore time.Time
}

func newImages(p *Pods) *images { return &images{p: p, m: map[string]*image{}} }

func (im *images) get(name string) *image {
	i := im.m[name]
	if i == nil {
		i = &image{waiting: map[string]bool{}}
		im.m[name] = i
	}
	return i
}

// lost forgets that an image is there.
func (im *images) lost(name string) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.get(name).present = false
}

// states of the images a pod needs. What is not known to be there is asked of the runtime, with the deadline of a look; an error is of
// an image that could not be asked for, whose state is then not known.
func (im *images) states(ctx context.Context, x *pod, want *folder.Wanted) (map[string]ImageState, error) {
	out := map[string]ImageState{}
	var errs []error
	im.p.mu.Lock()
	fresh := maps.Clone(x.fresh)
	im.p.mu.Unlock()
	for c := range allContainers(&want.Pod.Spec.Spec) {
		if _, done := out[c.Image]; done {
			continue
		}
		im.mu.Lock()
		i := im.get(c.Image)
		s := ImageState{Known: true, Present: i.present, PullingSince: i.pulling, Error: i.err, NotBefore: i.notBefore, Fresh: fresh[c.Image]}
		if s.pulling() {
			i.waiting[x.key] = true
		}
		im.mu.Unlock()
		if !s.Present && !s.pulling() {
			present, err := im.ask(ctx, c.Image)
			if err != nil {
				s.Known, s.Error = false, clip(err.Error())
				errs = append(errs, err)
			} else if s.Present = present; present {
				im.mu.Lock()
				i.present, i.err = true, ""
				im.mu.Unlock()
				s.Error = ""
			} else if c.ImagePullPolicy == corev1.PullNever {
				s.Error = "the image is not on this node and imagePullPolicy is Never"
			}
		}
		out[c.Image] = s
	}
	return out, errors.Join(errs...)
}

func (im *images) ask(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, im.p.d.Config().RuntimeProbeTimeout)
	defer cancel()
	r, err := im.p.d.Images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}})
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("status of image %s: %w", name, err)
	}
	return r.GetImage() != nil, nil
}

// pull begins a pull, or joins the one that runs; it wakes the pod when it is over. It needs Pods.mu.
func (im *images) pull(ctx context.Context, name, key string) {
	im.mu.Lock()
	defer im.mu.Unlock()
	i := im.get(name)
	if i.pulling.IsZero() && i.notBefore.After(time.Now()) { // another pod's pull failed since the pass began
		im.p.keyed.Wake(key)
		return
	}
	i.waiting[key] = true
	if !i.pulling.IsZero() {
		return
	}
	began := time.Now()
	i.pulling = began
	im.p.ops.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, pullDeadline)
		defer cancel()
		_, err := im.p.d.Images.PullImage(ctx, &cri.PullImageRequest{Image: &cri.ImageSpec{Image: name, UserSpecifiedImage: name}})
		im.pulled(name, err, time.Since(began))
	})
}

func (im *images) pulled(name string, err error, took time.Duration) {
	im.mu.Lock()
	i := im.get(name)
	keys := slices.Collect(maps.Keys(i.waiting))
	i.waiting, i.pulling = map[string]bool{}, time.Time{}
	first := i.failures == 0
	if err == nil {
		i.present, i.failures, i.err, i.notBefore = true, 0, "", time.Time{}
	} else {
		i.err, i.notBefore = clip(err.Error()), time.Now().Add(im.p.d.Config().PullBackoff.Jittered(i.failures))
		i.failures++
	}
	im.mu.Unlock()

	p := im.p
	switch {
	case err == nil:
		p.mu.Lock()
		for _, key := range keys {
			if x := p.pods[key]; x != nil {
				x.fresh[name] = true
			}
		}
		p.mu.Unlock()
		p.d.Record(event.Event{Kind: event.KindPod, Subject: name, Reason: "Pulled", Message: fmt.Sprintf("image pulled in %s", took.Round(time.Millisecond))})
	case first && p.opsCtx.Err() == nil:
		p.d.Log.Warn("pull image", zap.String("image", name), zap.Error(err))
		p.d.Record(event.Event{Kind: event.KindPod, Subject: name, Reason: "PullFailed", Message: clip(err.Error())})
	}
	for _, key := range keys {
		p.wake(key)
	}
}
