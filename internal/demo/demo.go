package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"text/template"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/lab"
)

// Name and place of the demo. They are fixed, so that the next start finds what an earlier one left.
const (
	labName    = "demo"
	defaultDir = "/var/lib/nodeagent-demo"
	image      = "demo.invalid/nodeagent:1"
)

// Options of a demo.
type Options struct {
	Dir string        // of everything; empty: /var/lib/nodeagent-demo. It is removed at the end
	For time.Duration // above 0: ends by itself, with a proof; no terminal is needed
	Out io.Writer     // what a person sees
	// Watch shows the daemon's status live, under a title, until ctx ends. Not needed with For.
	Watch   func(ctx context.Context, c *client.Client, title string) error
	Metrics string // listen address; empty: 127.0.0.1:10071, or any port if that is taken
	Agent   string // the agent's binary; empty: this executable
}

//go:embed pods.yaml
var podsTemplate string

//go:embed config.yaml
var configTemplate string

// Run runs the demo until ctx ends or Options.For is over. With For it returns an error unless an independent listing of the runtime showed
// that the pods ran and that a killed one came back.
func Run(ctx context.Context, o Options) (err error) {
	if o.Dir == "" {
		o.Dir = defaultDir
	}
	if o.Agent == "" {
		if o.Agent, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("the demo needs root, for it runs a containerd: sudo nodeagent demo")
	}
	say := func(format string, args ...any) { fmt.Fprintf(o.Out, format+"\n", args...) }
	if err := lab.Cleanup(labName, o.Dir); err != nil {
		return fmt.Errorf("clean up after an earlier demo: %w", err)
	}
	say("starting a private containerd in %s ...", o.Dir)
	l, err := lab.New(lab.Options{Dir: o.Dir, Name: labName, Workload: o.Agent})
	if err != nil {
		return err
	}
	defer func() {
		say("removing every process, mount, network, cgroup and file of the demo ...")
		err = errors.Join(err, l.Close())
		for _, left := range lab.Leftovers(labName, o.Dir) {
			err = errors.Join(err, fmt.Errorf("the demo left %s", left))
		}
	}()
	began := time.Now()
	if err := l.Start(ctx); err != nil {
		return err
	}
	say("containerd %s is up after %s; importing an image made of this program ...", l.Version(), time.Since(began).Round(time.Millisecond))
	if err := l.Import(ctx, l.WorkloadImage(image, "sleep")); err != nil {
		return err
	}
	d, err := start(ctx, l, o)
	if err != nil {
		return err
	}
	defer d.stop()
	say("nodeagent runs (pid %d): metrics at http://%s/metrics, manifests in %s", d.cmd.Process.Pid, d.metrics, d.manifests)
	if o.For > 0 {
		return d.prove(ctx, l, o, say)
	}
	say("kill a container's process, edit a manifest, and watch. Ctrl-C ends the demo.\n")
	return d.watch(ctx, o)
}

// daemon is the agent under the demo.
type daemon struct {
	cmd     *exec.Cmd
	done    chan error
	socket  string
	metrics string
	// manifests is the folder of the pods. The live table hides what was said of it before.
	manifests string
	log       string
}

// start writes manifests and configuration and starts the daemon.
func start(ctx context.Context, l *lab.Lab, o Options) (*daemon, error) {
	d := &daemon{done: make(chan error, 1), socket: filepath.Join(l.Dir(), "run", "nodeagent.sock"), metrics: o.Metrics, manifests: l.Manifests(), log: filepath.Join(l.Dir(), "nodeagent.log")}
	if d.metrics == "" {
		d.metrics = "127.0.0.1:10071"
	}
	d.metrics = freeAddress(d.metrics)
	values := map[string]string{"Endpoint": l.Endpoint(), "Dir": l.Dir(), "Logs": l.PodLogs(), "Manifests": d.manifests, "Cgroup": l.CgroupParent(),
		"Metrics": d.metrics, "Socket": d.socket, "Image": image}
	config := filepath.Join(l.Dir(), "config.yaml")
	if err := render(configTemplate, values, config); err != nil {
		return nil, err
	}
	if err := render(podsTemplate, values, filepath.Join(d.manifests, ".pods.yaml")); err != nil {
		return nil, err
	}
	if err := os.Rename(filepath.Join(d.manifests, ".pods.yaml"), filepath.Join(d.manifests, "pods.yaml")); err != nil {
		return nil, fmt.Errorf("write the manifests: %w", err)
	}
	out, err := os.Create(d.log)
	if err != nil {
		return nil, fmt.Errorf("write the daemon's log: %w", err)
	}
	defer out.Close()
	d.cmd = exec.Command(o.Agent, "run", "--config", config)
	d.cmd.Stdout, d.cmd.Stderr = out, out
	// The daemon ends with the demo, however that ends. Its own group keeps a Ctrl-C at the terminal from it.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal is tied to the thread that forks
		if err := d.cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		d.done <- d.cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	if err := d.answers(ctx); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func render(text string, values map[string]string, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	t, err := template.New("demo").Option("missingkey=error").Parse(text)
	if err == nil {
		err = t.Execute(f, values)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// freeAddress is the wanted one, or one with any free port if another process has it.
func freeAddress(want string) string {
	for _, a := range []string{want, "127.0.0.1:0"} {
		if l, err := net.Listen("tcp", a); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return want
}

// answers waits until the daemon's socket answers.
func (d *daemon) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c := client.New(d.socket)
	defer c.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.Status(ctx); err == nil {
			return nil
		}
		select {
		case err := <-d.done:
			d.done <- err
			return fmt.Errorf("the daemon ended (%w):\n%s", err, d.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("wait for the daemon: %w\n%s", ctx.Err(), d.lastLog())
		case <-tick.C:
		}
	}
}

func (d *daemon) lastLog() string {
	b, _ := os.ReadFile(d.log)
	if len(b) > 4096 {
		b = b[len(b)-4096:]
	}
	return string(b)
}

// stop ends the daemon. Its pods run on, as ever; the lab removes them.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // one that ended already is waited for all the same
	select {
	case _ = <-d.done:
	case <-time.After(10 * time.Second):
		_ = d.cmd.Process.Kill()
		_ = <-d.done
	}
}

// watch shows the live table until ctx ends, or the daemon does.
func (d *daemon) watch(ctx context.Context, o Options) error {
	c := client.New(d.socket)
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		select {
		case err := <-d.done:
			d.done <- err
			ended <- fmt.Errorf("the daemon ended (%w):\n%s", err, d.lastLog())
			cancel()
		case <-ctx.Done():
		}
	}()
	err := o.Watch(ctx, c, fmt.Sprintf("nodeagent demo: metrics at http://%s/metrics, Ctrl-C ends it\nmanifests in %s", d.metrics, d.manifests))
	select {
	case err = <-ended:
	default:
	}
	return err
}
