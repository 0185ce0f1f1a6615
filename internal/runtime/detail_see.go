package runtime

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	introspection "github.com/containerd/containerd/api/services/introspection/v1"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/runtime/oci"
	"nodeagent/internal/runtime/shim"
)

// timed is the outcome of one call, and how long it took.
type timedAnswer[T any] struct {
	Answer[T]
	took  time.Duration
	asked bool
}

// detailsSeen is all that one look at the details saw: what judgeDetails decides from.
type detailsSeen struct {
	cfg          Config
	now          time.Time
	unresponsive string // reason of RuntimeResponsive; empty: it answers
	name         string // containerd, cri-o ...; empty: never told
	version      string
	peer         int    // pid of the daemon; 0: not known
	daemon       string // its name, as the kernel cuts it

	status     timedAnswer[*cri.StatusResponse]
	sandboxes  timedAnswer[*cri.ListPodSandboxResponse]
	containers timedAnswer[*cri.ListContainersResponse]
	images     timedAnswer[*cri.ListImagesResponse]
	fs         timedAnswer[*cri.ImageFsInfoResponse]
	driver     timedAnswer[*cri.RuntimeConfigResponse]
	pause      timedAnswer[*cri.ImageStatusResponse]
	plugins    timedAnswer[*introspection.PluginsResponse]

	told      Told
	toldErr   error
	cgroups   oci.Cgroups
	cgroupErr error
	disks     []disk
	handlers  []handlerSeen
	stuck     []oci.Operation
	shim      shimSeen

	procErr error
	dead    []shim.Task // whose process is gone, seen twice
	leaked  []shim.Shim // with no task, seen twice
	stopped []shim.Shim // in state T, seen twice

	unit     Unit
	unitErr  error
	restarts int // automatic ones in restartWindow

	polls    error // why the socket is polled; nil: it is watched
	noEvents bool
	names    []Reserved
}

// handlerSeen is a handler with its binary.
type handlerSeen struct {
	oci.Handler
	path    string // empty: not found
	version oci.Version
}

// shimSeen is containerd's shim on disk.
type shimSeen struct {
	path    string // empty: not found
	version oci.Version
}

func kubernetesContext(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "containerd-namespace", kubernetes)
}

func (a *timedAnswer[T]) ask(ctx context.Context, timeout time.Duration, call func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	a.Resp, a.Err = call(ctx)
	a.took, a.asked = time.Since(began), true
}

// seeCalls asks what the runtime tells, all beside each other: one may hang while the others answer.
func (d *detailsSeen) seeCalls(ctx context.Context, c *connection) {
	client, images := cri.NewRuntimeServiceClient(c), cri.NewImageServiceClient(c)
	t := d.cfg.ProbeTimeout
	containerd := d.name == "containerd"
	var calls sync.WaitGroup
	if containerd || d.name == "" {
		calls.Go(func() {
			d.plugins.ask(ctx, t, func(ctx context.Context) (*introspection.PluginsResponse, error) {
				return introspection.NewIntrospectionClient(c).Plugins(ctx, &introspection.PluginsRequest{})
			})
		})
	}
	if d.unresponsive == "" {
		calls.Go(func() {
			d.status.ask(ctx, t, func(ctx context.Context) (*cri.StatusResponse, error) {
				return client.Status(ctx, &cri.StatusRequest{Verbose: true})
			})
		})
		calls.Go(func() {
			d.sandboxes.ask(ctx, t, func(ctx context.Context) (*cri.ListPodSandboxResponse, error) {
				return client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
			})
		})
		calls.Go(func() {
			d.containers.ask(ctx, t, func(ctx context.Context) (*cri.ListContainersResponse, error) {
				return client.ListContainers(ctx, &cri.ListContainersRequest{})
			})
		})
		calls.Go(func() {
			d.images.ask(ctx, t, func(ctx context.Context) (*cri.ListImagesResponse, error) {
				return images.ListImages(ctx, &cri.ListImagesRequest{})
			})
		})
		calls.Go(func() {
			d.fs.ask(ctx, t, func(ctx context.Context) (*cri.ImageFsInfoResponse, error) {
				return images.ImageFsInfo(ctx, &cri.ImageFsInfoRequest{})
			})
		})
		calls.Go(func() {
			d.driver.ask(ctx, t, func(ctx context.Context) (*cri.RuntimeConfigResponse, error) {
				return client.RuntimeConfig(ctx, &cri.RuntimeConfigRequest{})
			})
		})
		if d.name == "cri-o" {
			calls.Go(func() { d.told, d.toldErr = askCRIO(ctx, c.endpoint.Path, t) })
		}
	}
	calls.Wait()
	if containerd && d.status.Err == nil {
		d.told, d.toldErr = toldContainerd(d.status.Resp.GetInfo())
		if d.told.PauseImage == "" && d.unresponsive == "" {
			d.told.PauseImage = pauseOf(d.cfg.Root, d.peer)
		}
	}
	if d.told.PauseImage != "" && d.unresponsive == "" {
		d.pause.ask(ctx, t, func(ctx context.Context) (*cri.ImageStatusResponse, error) {
			return images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: d.told.PauseImage}})
		})
	}
}

// pauseOf reads the pause image from containerd's file, which is the only place where containerd 2 says it: the file that the daemon was
// started with, else the default one.
func pauseOf(root string, pid int) string {
	file := ""
	if b, err := os.ReadFile(procPath(pid, "cmdline")); err == nil && pid > 1 {
		args := strings.Split(string(b), "\x00")
		for i, a := range args {
			name, value, glued := strings.Cut(strings.TrimLeft(a, "-"), "=")
			if !strings.HasPrefix(a, "-") || name != "config" && name != "c" {
				continue
			}
			if glued {
				file = value
			} else if i+1 < len(args) {
				file = args[i+1]
			}
		}
	}
	if file == "" {
		file = join(root, containerdFile)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	// The name of the plugin in configuration version 3; in version 2 the verbose Status has it.
	v, err := tomlStrings(b, "plugins.io.containerd.cri.v1.images.pinned_images.sandbox")
	if err != nil || len(v) == 0 {
		return ""
	}
	return v[0]
}

// seeFiles looks at what the node itself has: disks, binaries, cgroups. It runs a binary only if it changed.
func (d *detailsSeen) seeFiles(ctx context.Context, versions *oci.Versions, disks *disks) {
	for _, fs := range d.fs.Resp.GetImageFilesystems() {
		if at := fs.GetFsId().GetMountpoint(); at != "" && !slices.ContainsFunc(d.disks, func(x disk) bool { return x.path == at }) {
			d.disks = append(d.disks, disks.get(at, d.cfg.ProbeTimeout))
		}
	}
	pid := d.peer
	if pid <= 1 {
		pid = 0
	}
	if d.cgroups, d.cgroupErr = oci.ReadCgroups(procfs, pid); d.cgroupErr != nil && pid > 0 {
		d.cgroups, d.cgroupErr = oci.ReadCgroups(procfs, 0) // as seen from here
	}
	path := oci.PathOf(procfs, d.peer)
	for _, h := range d.told.Handlers {
		s := handlerSeen{Handler: h, path: oci.Find("", h.Binary, path)}
		if s.path != "" && !h.Shim {
			s.version = versions.Get(ctx, s.path, "--version", d.cfg.ProbeTimeout)
		}
		d.handlers = append(d.handlers, s)
	}
	if d.daemon = readProcess(d.peer).Name; d.name == "containerd" && d.isContainerd() {
		// containerd looks on its PATH first, then beside itself (pkg/shim, Command).
		if d.shim.path = oci.Find("", shimName, path); d.shim.path == "" && d.peer > 1 {
			if exe, err := os.Readlink(procPath(d.peer, "exe")); err == nil {
				d.shim.path = oci.Find("", siblingOf(strings.TrimSuffix(exe, " (deleted)"), shimName), path)
			}
		}
		if d.shim.path != "" {
			d.shim.version = versions.Get(ctx, d.shim.path, "-v", d.cfg.ProbeTimeout)
		}
	}
}

// isContainerd reports whether the daemon is containerd itself, and no proxy that answers for one: only then its PATH and folder say which
// shim it starts.
func (d *detailsSeen) isContainerd() bool { return strings.Contains(d.daemon, "containerd") }

// hasTask asks containerd whether it has a task of an id.
func hasTask(ctx context.Context, c *connection, id string, timeout time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(kubernetesContext(ctx), timeout)
	defer cancel()
	_, err := tasksapi.NewTasksClient(c).Get(ctx, &tasksapi.GetRequest{ContainerID: id})
	if status.Code(err) == codes.NotFound {
		return false, nil
	}
	return err == nil, err
}
