package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/component/collect"
	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/staticpod/podlogs"
)

const (
	failedContainers = 20        // whose last logs are collected
	failedLogLines   = 500       // of each
	failedLogBytes   = 256 << 10 // of each
)

// runtimeItems are what the runtime tells, and the last words of the containers that failed. Annotations are left out: kubectl puts whole
// manifests into them.
func runtimeItems(c config.Config, k kubelet.Facts) []collect.Item {
	ask := func(ctx context.Context, fn func(context.Context, *runtime.Runtime) (proto.Message, error)) ([]byte, error) {
		r := runtime.New(func() runtime.Config { return runtimeConfig(c, newFacts()) }, runtime.Hooks{}, health.NewBoard(nil, runtime.Conditions()...), zap.NewNop())
		defer r.Close()
		if err := r.Dial(); err != nil {
			return nil, err
		}
		m, err := fn(ctx, r)
		if err != nil {
			return nil, err
		}
		return protojson.MarshalOptions{Multiline: true}.Marshal(m)
	}
	item := func(name string, fn func(context.Context, *runtime.Runtime) (proto.Message, error)) collect.Item {
		return collect.Item{Name: "runtime/" + name + ".json", Read: func(ctx context.Context) ([]byte, error) { return ask(ctx, fn) }}
	}
	logs := cmp.Or(k.Config.PodLogsDir, c.PodLogsDir)
	if !k.Installed {
		logs = c.PodLogsDir
	}
	return []collect.Item{
		item("version", func(ctx context.Context, r *runtime.Runtime) (proto.Message, error) {
			return r.CRI().Version(ctx, &cri.VersionRequest{})
		}),
		item("status", func(ctx context.Context, r *runtime.Runtime) (proto.Message, error) {
			return r.CRI().Status(ctx, &cri.StatusRequest{}) // not verbose: that is the runtime's whole configuration
		}),
		item("sandboxes", func(ctx context.Context, r *runtime.Runtime) (proto.Message, error) {
			m, err := r.CRI().ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
			for _, s := range m.GetItems() {
				s.Annotations = nil
			}
			return m, err
		}),
		item("containers", func(ctx context.Context, r *runtime.Runtime) (proto.Message, error) {
			m, err := r.CRI().ListContainers(ctx, &cri.ListContainersRequest{})
			for _, s := range m.GetContainers() {
				s.Annotations = nil
			}
			return m, err
		}),
		item("images", func(ctx context.Context, r *runtime.Runtime) (proto.Message, error) {
			return r.Images().ListImages(ctx, &cri.ListImagesRequest{})
		}),
		item("image-filesystem", func(ctx context.Context, r *runtime.Runtime) (proto.Message, error) {
			return r.Images().ImageFsInfo(ctx, &cri.ImageFsInfoRequest{})
		}),
		{Name: "logs.txt", Read: func(ctx context.Context) ([]byte, error) { return lastLogs(ctx, c, logs) }},
	}
}

// lastLogs are the last words of the containers that ended badly, the newest first; where the runtime does not tell which, of those that
// wrote last.
func lastLogs(ctx context.Context, c config.Config, root string) ([]byte, error) {
	ask, cancel := context.WithTimeout(ctx, c.RuntimeProbeTimeout)
	defer cancel()
	paths, why := failedLogs(ask, c)
	if why != nil {
		var err error
		if paths, err = newestLogs(root); err != nil {
			return nil, errors.Join(why, err)
		}
	}
	var b bytes.Buffer
	if why != nil {
		fmt.Fprintf(&b, "The runtime does not tell which containers failed (%v): the logs that were written last.\n\n", why)
	}
	for _, p := range paths {
		if ctx.Err() != nil {
			return b.Bytes(), ctx.Err()
		}
		fmt.Fprintf(&b, "==> %s\n", p)
		lines, err := podlogs.Tail(p, failedLogLines, failedLogBytes)
		for _, l := range lines {
			fmt.Fprintf(&b, "%s %s\n", l.Time.UTC().Format(time.RFC3339), l.Text)
		}
		if err != nil {
			fmt.Fprintf(&b, "%v\n", err)
		}
		b.WriteString("\n")
	}
	return b.Bytes(), nil
}

func failedLogs(ctx context.Context, c config.Config) ([]string, error) {
	r := runtime.New(func() runtime.Config { return runtimeConfig(c, newFacts()) }, runtime.Hooks{}, health.NewBoard(nil, runtime.Conditions()...), zap.NewNop())
	defer r.Close()
	if err := r.Dial(); err != nil {
		return nil, err
	}
	m, err := r.CRI().ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_EXITED}}})
	if err != nil {
		return nil, err
	}
	list := m.GetContainers()
	slices.SortFunc(list, func(a, b *cri.Container) int { return cmp.Compare(b.GetCreatedAt(), a.GetCreatedAt()) })
	var paths []string
	for _, x := range list {
		if len(paths) == failedContainers {
			break
		}
		s, err := r.CRI().ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: x.GetId()})
		if err != nil {
			continue // it is gone, or the runtime hangs, which the time tells
		}
		if st := s.GetStatus(); st.GetExitCode() != 0 && st.GetLogPath() != "" {
			paths = append(paths, st.GetLogPath())
		}
	}
	return paths, ctx.Err()
}

// newestLogs takes the last two attempts of each container that wrote something: the newest may have begun a moment ago, and
// what the one before it said last is why there is a newer.
func newestLogs(root string) ([]string, error) {
	pods, err := podlogs.Find(root, "", "")
	if err != nil {
		return nil, err
	}
	var all [][]podlogs.Attempt
	for _, p := range pods {
		for _, c := range p.Containers {
			wrote := slices.DeleteFunc(c.Attempts, func(a podlogs.Attempt) bool { return a.Bytes == 0 })
			slices.Reverse(wrote)
			if len(wrote) > 0 {
				all = append(all, wrote[:min(len(wrote), 2)])
			}
		}
	}
	slices.SortFunc(all, func(a, b []podlogs.Attempt) int { return b[0].Newest.Compare(a[0].Newest) })
	var paths []string
	for _, attempts := range all[:min(len(all), failedContainers)] {
		for _, a := range attempts {
			paths = append(paths, a.Path)
		}
	}
	return paths, nil
}
