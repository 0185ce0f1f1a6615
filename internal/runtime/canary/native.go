package canary

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/runc/options"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"nodeagent/internal/runtime/oci"
)

// native goes over containerd's own API: no image, no snapshot, no network; the root file system is an empty folder of ours.
type native struct {
	c    Config
	conn grpc.ClientConnInterface
}

func (n *native) tasks() tasksapi.TasksClient { return tasksapi.NewTasksClient(n.conn) }
func (n *native) containers() containersapi.ContainersClient {
	return containersapi.NewContainersClient(n.conn)
}

func ours(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "containerd-namespace", Namespace)
}

// in calls f in our namespace.
func in(f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error { return f(ours(ctx)) }
}

func (n *native) steps(h oci.Handler) []step {
	id := "canary-" + strings.ToLower(rand.Text()[:12])
	rootfs := filepath.Join(n.c.Dir, id)
	started := false
	return []step{
		{name: "create", do: in(func(ctx context.Context) error { return n.create(ctx, h, id, rootfs) })},
		{name: "start", do: in(func(ctx context.Context) error {
			_, err := n.tasks().Start(ctx, &tasksapi.StartRequest{ContainerID: id})
			started = err == nil
			return err
		})},
		{name: "exec", do: in(func(ctx context.Context) error { return n.exec(ctx, id) })},
		{name: "stop", end: true, do: in(func(ctx context.Context) error {
			if !started {
				return nil
			}
			return n.kill(ctx, id, syscall.SIGTERM)
		})},
		{name: "remove", end: true, do: in(func(ctx context.Context) error { return n.remove(ctx, id) })},
	}
}

func (n *native) create(ctx context.Context, h oci.Handler, id, rootfs string) error {
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return err
	}
	cgroup := "/" + id
	if h.SystemdCgroup {
		cgroup = "system.slice:nodeagent:" + id
	}
	s, err := specOf(specVersion(n.c.Version), n.c.Program, n.c.Wait, rootfs, cgroup)
	if err != nil {
		return err
	}
	opts, err := proto.Marshal(&options.Options{BinaryName: h.Binary, Root: h.Root, SystemdCgroup: h.SystemdCgroup})
	if err != nil {
		return err
	}
	// containerd's own name of the type, with no host before it (typeurl).
	o := &anypb.Any{TypeUrl: "containerd.runc.v1.Options", Value: opts}
	_, err = n.containers().Create(ctx, &containersapi.CreateContainerRequest{Container: &containersapi.Container{
		ID: id, Labels: map[string]string{Label: "1"}, Spec: s,
		Runtime: &containersapi.Container_Runtime{Name: h.Type, Options: o},
	}})
	if err != nil {
		return err
	}
	_, err = n.tasks().Create(ctx, &tasksapi.CreateTaskRequest{ContainerID: id, Options: o})
	return err
}

func (n *native) exec(ctx context.Context, id string) error {
	p, err := processOf(n.c.Exec)
	if err != nil {
		return err
	}
	const name = "exec"
	if _, err := n.tasks().Exec(ctx, &tasksapi.ExecProcessRequest{ContainerID: id, ExecID: name, Spec: p}); err != nil {
		return err
	}
	if _, err := n.tasks().Start(ctx, &tasksapi.StartRequest{ContainerID: id, ExecID: name}); err != nil {
		return err
	}
	w, err := n.tasks().Wait(ctx, &tasksapi.WaitRequest{ContainerID: id, ExecID: name})
	if err != nil {
		return err
	}
	if _, err := n.tasks().DeleteProcess(ctx, &tasksapi.DeleteProcessRequest{ContainerID: id, ExecID: name}); err != nil {
		return err
	}
	if w.GetExitStatus() != 0 {
		return fmt.Errorf("exit code %d", w.GetExitStatus())
	}
	return nil
}

// kill sends a signal and waits for the end of the task.
func (n *native) kill(ctx context.Context, id string, s syscall.Signal) error {
	_, err := n.tasks().Kill(ctx, &tasksapi.KillRequest{ContainerID: id, Signal: uint32(s), All: s == syscall.SIGKILL})
	if status.Code(err) == codes.NotFound {
		return nil // it has ended
	}
	if err != nil {
		return err
	}
	_, err = n.tasks().Wait(ctx, &tasksapi.WaitRequest{ContainerID: id})
	return ignore(err)
}

// remove removes a task, ended or not, its container and its folder. What is not there is removed.
func (n *native) remove(ctx context.Context, id string) error {
	if !strings.HasPrefix(id, "canary-") {
		return fmt.Errorf("%s is no canary", id)
	}
	_, err := n.tasks().Delete(ctx, &tasksapi.DeleteTaskRequest{ContainerID: id})
	if ignore(err) != nil { // it runs, or never started
		if err := n.kill(ctx, id, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill: %w", err)
		}
		if _, err := n.tasks().Delete(ctx, &tasksapi.DeleteTaskRequest{ContainerID: id}); ignore(err) != nil {
			return fmt.Errorf("delete the task: %w", err)
		}
	}
	if _, err := n.containers().Delete(ctx, &containersapi.DeleteContainerRequest{ID: id}); ignore(err) != nil {
		return fmt.Errorf("delete the container: %w", err)
	}
	return n.removeRoot(id)
}

// removeRoot removes what create and the OCI runtime made in our folder: mount points, all of them empty. It goes into nothing.
func (n *native) removeRoot(id string) error {
	root := filepath.Join(n.c.Dir, id)
	for _, name := range []string{insideProgram, "/proc", "/dev", "/sys"} {
		_ = os.Remove(root + name)
	}
	if err := os.Remove(root); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func ignore(err error) error {
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

// sweep removes every container with our label in our namespace, the folders, and the namespace.
func (n *native) sweep(ctx context.Context) error {
	listCtx, cancel := context.WithTimeout(ours(ctx), n.c.StepTimeout)
	defer cancel()
	list, err := n.containers().List(listCtx, &containersapi.ListContainersRequest{})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, c := range list.GetContainers() {
		if c.GetLabels()[Label] == "1" {
			one, cancel := context.WithTimeout(ours(ctx), 2*n.c.StepTimeout)
			errs = append(errs, n.remove(one, c.GetID()))
			cancel()
		}
	}
	entries, err := os.ReadDir(n.c.Dir)
	errs = append(errs, err)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "canary-") {
			errs = append(errs, n.removeRoot(e.Name()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	nsCtx, cancel := context.WithTimeout(ctx, n.c.StepTimeout)
	defer cancel()
	_, err = namespacesapi.NewNamespacesClient(n.conn).Delete(nsCtx, &namespacesapi.DeleteNamespaceRequest{Name: Namespace})
	return ignore(err)
}
