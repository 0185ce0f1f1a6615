package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what lab is wanted. Only Dir is needed.
type Options struct {
	// Dir takes everything of the lab but sockets and runtime state: images,
	// configuration, manifests, logs. It is made if it is missing, must be empty
	// if it is there, and is removed by Close.
	Dir string
	// Name tells labs of one host apart: 1 to 11 of a-z, 0-9 and inner dashes. It
	// is part of the bridge's, the cgroup's and the run folder's name. Random if empty.
	Name string
	// Containerd is the path or name of the daemon, 1.6 or newer. Its shim is
	// looked for beside it first. "containerd" if empty.
	Containerd string
	// Handlers are the OCI runtimes offered, by name on PATH; the first is the
	// default. runc, and crun where there is one, if empty.
	Handlers []string
	// Workload is a static binary whose main calls workload.Run: the program of
	// the pause image and of WorkloadImage. This executable if empty.
	Workload string
	// Log takes a line for each step, nil for none. containerd's own log is the
	// file containerd.log in Dir.
	Log io.Writer
}

// Lab is one private containerd. Use New.
type Lab struct {
	place    place
	settings settings
	binary   string
	workload string
	subnet   netip.Prefix
	out      io.Writer

	mu     sync.Mutex
	held   *os.File // the lock on the lab; nil once closed
	daemon *daemon  // nil while containerd does not run
}

// New makes the folders, the bridge and containerd's configuration of a lab.
// Nothing runs yet: call Start. It needs root, containerd, an OCI runtime and
// the CNI plugins. A lab of that name or in that folder that an earlier process
// left is an error: call Cleanup before. After an error nothing is left.
func New(o Options) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab needs root (mounts, network, cgroups): run it with sudo")
	}
	if o.Name == "" {
		var b [4]byte
		rand.Read(b[:])
		o.Name = hex.EncodeToString(b[:])
	}
	p, err := newPlace(o.Name, o.Dir)
	if err != nil {
		return nil, err
	}
	l := &Lab{place: p, out: o.Log, settings: settings{place: p, pauseImage: PauseImage}}
	if l.out == nil {
		l.out = io.Discard
	}
	if l.workload, err = workloadPath(o.Workload); err != nil {
		return nil, fmt.Errorf("lab %s: workload: %w", p.name, err)
	}
	if o.Containerd == "" {
		o.Containerd = "containerd"
	}
	if l.binary, err = lookPath(o.Containerd); err != nil {
		return nil, fmt.Errorf("lab %s: %w", p.name, err)
	}
	if l.settings.version, err = containerdVersion(context.Background(), l.binary); err != nil {
		return nil, fmt.Errorf("lab %s: %w", p.name, err)
	}
	if l.settings.cniBin, err = findCNI(cniBins); err != nil {
		return nil, fmt.Errorf("lab %s: %w", p.name, err)
	}
	if l.held, err = lock(p); err != nil {
		return nil, err
	}
	if err := l.claim(); err != nil {
		l.held.Close()
		return nil, fmt.Errorf("lab %s: %w", p.name, err)
	}
	if err := l.make(o.Handlers); err != nil {
		return nil, errors.Join(fmt.Errorf("make lab %s: %w", p.name, err), l.Close())
	}
	return l, nil
}

// claim makes the folder ours, if it and the name are free.
func (l *Lab) claim() error {
	if left, err := find(l.place); err != nil {
		return err
	} else if left.folders = without(left.folders, l.place.run()); len(left.lines()) > 0 {
		return fmt.Errorf("an earlier lab of this name left %d things (first: %s): clean it up before", len(left.lines()), left.lines()[0])
	}
	if err := os.MkdirAll(l.place.dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	entries, err := os.ReadDir(l.place.dir)
	if err != nil {
		return fmt.Errorf("read the folder: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("folder %s is not empty and no lab's: choose another", l.place.dir)
	}
	return writeRecord(l.place, record{Name: l.place.name})
}

func without(list []string, name string) (out []string) {
	for _, s := range list {
		if s != name {
			out = append(out, s)
		}
	}
	return out
}

// make builds what containerd finds when it starts.
func (l *Lab) make(handlers []string) error {
	for _, dir := range l.place.folders() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if l.settings.handlers, err = findHandlers(handlers, l.place.dir); err != nil {
		return err
	}
	if l.settings.restrictOOM, err = lacksSysResource(); err != nil {
		return err
	}
	if l.settings.snapshotter, err = pickSnapshotter(l.place.temp()); err != nil {
		return err
	}
	err = withBase(func() error {
		if err := noteShared(); err != nil {
			return err
		}
		taken, err := routedPrefixes()
		if err != nil {
			return err
		}
		if l.subnet, err = pickSubnet(l.place.name, taken); err != nil {
			return err
		}
		return makeBridge(l.place.bridge(), l.subnet)
	})
	if err != nil {
		return err
	}
	if err := writeRecord(l.place, record{Name: l.place.name, Subnet: l.subnet}); err != nil {
		return err
	}
	cni, err := cniConfig(l.place, l.subnet)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.place.cniConf(), "10-lab.conflist"), cni, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(l.place.config(), []byte(l.settings.render()), 0o644); err != nil {
		return err
	}
	l.logf("containerd %s in %s, snapshotter %s, network %s", l.settings.version.text, l.place.dir, l.settings.snapshotter, l.subnet)
	return nil
}

// Close removes all that the lab made, pods and folder too. The lab can't be
// used any more. Closing twice is no error. See Cleanup.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return nil
	}
	begin := time.Now()
	if err := remove(l.place); err != nil {
		return fmt.Errorf("close lab %s: %w", l.place.name, err)
	}
	if l.daemon != nil {
		<-l.daemon.exited
		l.daemon = nil
	}
	err := l.held.Close()
	l.held = nil
	l.logf("removed in %s", time.Since(begin).Round(time.Millisecond))
	return err
}

// Name is the lab's name, given or made.
func (l *Lab) Name() string { return l.place.name }

// Dir is the lab's folder with symlinks resolved.
func (l *Lab) Dir() string { return l.place.dir }

// Socket is the path of containerd's socket, the CRI and its own services.
func (l *Lab) Socket() string { return l.place.socket() }

// Endpoint is Socket as a CRI endpoint: unix:///run/...
func (l *Lab) Endpoint() string { return "unix://" + l.place.socket() }

// CgroupParent is the cgroup that pods of the lab belong below. Pods made with
// another one are found and removed too.
func (l *Lab) CgroupParent() string { return l.place.cgroup() }

// Manifests is an empty folder for static pods.
func (l *Lab) Manifests() string { return l.place.manifests() }

// PodLogs is an empty folder for the logs of pods.
func (l *Lab) PodLogs() string { return l.place.podLogs() }

// CNIConf is the folder of the lab's network configuration.
func (l *Lab) CNIConf() string { return l.place.cniConf() }

// ContainerdLog is the path of containerd's log.
func (l *Lab) ContainerdLog() string { return l.place.log() }

// Subnet is the network of the lab's pods, reached from this host alone.
func (l *Lab) Subnet() netip.Prefix { return l.subnet }

// Version is containerd's version as it prints it, without a leading v.
func (l *Lab) Version() string { return l.settings.version.text }

// Handlers are the names of the OCI runtimes that pods may ask for; the first
// is the default.
func (l *Lab) Handlers() []string {
	var out []string
	for _, h := range l.settings.handlers {
		out = append(out, h.name)
	}
	return out
}

func (l *Lab) logf(format string, args ...any) {
	fmt.Fprintf(l.out, "lab "+l.place.name+": "+format+"\n", args...)
}

func workloadPath(path string) (string, error) {
	if path == "" {
		return os.Executable()
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := unix.Access(path, unix.X_OK); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return path, nil
}

// lacksSysResource reports whether this process, and so containerd, has no
// CAP_SYS_RESOURCE.
func lacksSysResource() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read capabilities: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) == 0, nil
}

// command is containerd as the lab runs it. Its environment is its own: no
// NOTIFY_SOCKET, or it would report READY for this process's unit, and no proxies.
func (l *Lab) command(log *os.File) *exec.Cmd {
	cmd := exec.Command(l.binary, "--config", l.place.config())
	path := filepath.Dir(l.binary)
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), sbin...) {
		path += string(filepath.ListSeparator) + dir
	}
	cmd.Env = []string{"PATH=" + path, "TMPDIR=" + l.place.temp()}
	cmd.Dir = "/"
	// A file, not a pipe: containerd outlives us when we are killed.
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: Ctrl-C is for us alone.
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	return cmd
}
