package staticpod

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/probe"
	"nodeagent/internal/staticpod/volume"
	"nodeagent/internal/view"
)

// Store keeps what must survive the agent. *state.Folder is one.
type Store interface {
	Save(name string, version int, v any) error
	SaveDurable(name string, version int, v any) error
	Load(name string, version int, v any) (found bool, err error)
	Delete(name string) error
	List(prefix string) ([]string, error)
	Path(elem ...string) string
	Instance() string
}

// Deps is what run mode is given.
type Deps struct {
	Config func() Config
	CRI    CRI
	Images Images
	Store  Store
	Board  *health.Board
	Record func(event.Event)
	Log    *zap.Logger
	Boot   string // the kernel's boot id
	// Cgroups of the machine; nil leaves limits of pods, samples and the kernel's count of OOM kills out.
	Cgroups *cgroup.Tree
	// MayStart tells whether the agent may run pods on this node now, and if not, why. It must not block.
	MayStart func() (ok bool, why string)
	// SharesPIDs tells whether a pid that the runtime gives is the same process here. Where it is not, a process that is not found proves nothing,
	// and the ends of containers are the runtime's to tell. nil: it is. It must not block.
	SharesPIDs func() bool
}

// Pods runs the pods of a folder.
type Pods struct {
	d      Deps
	views  *view.Map[string, view.Pod]
	keyed  *reconcile.Keyed[string]
	full   *reconcile.Loop
	source *source
	exits  exitWatcher
	images *images
	driver atomic.Pointer[string] // cgroup driver, once the runtime told it
	host   atomic.Pointer[string] // the node's address as last looked up
	shown  shown
	prober *probe.Prober
	exec   probe.Exec
	kernel kernel
	logs   logs
	calls  volume.Calls
	ending ending

	desired atomic.Pointer[folder.Desired]

	opsCtx  context.Context // of stops; ends with the agent
	makeCtx context.Context // of creations; ends shutdownGrace after it
	ops     sync.WaitGroup

	mu       sync.Mutex // of all below
	pods     map[string]*pod
	owner    map[string]string // container id -> key, for hints
	stirs    uint64            // counts what happened to pods, so that a full reading knows what is newer than itself
	readOnce bool              // one full reading succeeded
	open     bool              // ops may begin
	looking  bool              // a look without a daemon: passes run and begin nothing
}

// pod is what is known of one key between passes. Its fields belong to Pods.mu.
type pod struct {
	key      string
	memory   Memory
	ops      map[Slot]Action
	failures map[Slot]Failure
	fresh    map[string]bool      // images pulled for the content of memory.Hash
	statuses map[string]Container // by container id: what does not change any more in its state
	addrs    map[string]string    // sandbox id -> ip
	owned    map[string]bool      // ids that Pods.owner has of it
	gone     map[string]time.Time // container id -> when its process was seen to be gone
	lost     map[string]bool      // ids of those that a stop was of no use to: the runtime goes on calling them running
	last     *reading             // of a full reading, to be used once
	stirred  uint64               // Pods.stirs when something last happened to it
	version  int                  // counts the changes of memory
	ooms     map[string]int       // container id -> its OOM kills, of those that there are
	oomsPast int                  // of those that are gone
	refresh  bool                 // volumes are to be looked at: objects that they are made of may have changed
	files    sync.Mutex           // of its folder: volumes and hosts file are made by one op at a time
	saving   sync.Mutex           // orders the writes of memory; taken before Pods.mu
	sandbox  string               // the newest one seen
	renamed  bool                 // reading.renamed of the last one
	since    time.Time            // of the phase shown
	phase    string
	noted    string // the last op error that was logged
}

// New makes run mode; nothing runs before the tasks do. It reads what was kept of earlier runs.
func New(d Deps) (*Pods, error) {
	p := &Pods{d: d, views: view.NewMap[string, view.Pod](), pods: map[string]*pod{}, owner: map[string]string{}, shown: shown{findings: map[string]health.Finding{}}}
	p.images = newImages(p)
	p.exec = probe.ExecIn(d.CRI)
	p.prober = probe.New(probe.Deps{Exec: p.exec, Changed: p.wake, Record: p.probeChanged, Log: d.Log})
	p.logs = newLogs(p)
	err := p.newKernel(d.Cgroups)
	if err != nil {
		return nil, err
	}
	if p.source, err = newSource(p); err != nil {
		return nil, err
	}
	if err := p.load(); err != nil {
		return nil, err
	}
	p.keyed = reconcile.NewKeyed(p.pass, reconcile.Options{Name: "static pods", OnError: p.passError})
	p.full = reconcile.NewLoop(p.resync, reconcile.Options{Name: "static pods resync", OnError: p.passError,
		Backoff: reconcile.Backoff{Initial: 100 * time.Millisecond, Factor: 2, Max: 5 * time.Second, Jitter: 0.1}})
	if p.exits, err = newExits(p.exited); err != nil {
		return nil, err
	}
	return p, nil
}

// Task is a part of run mode that the agent runs.
type Task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	Beat() time.Time
	Bound() time.Duration
	String() string
}

// Tasks lists what is to be run, all of it.
func (p *Pods) Tasks() []Task {
	out := []Task{opsTask{p}, p.source, p.full, p.exits, p.prober}
	return slices.Concat(out, p.logs.tasks(), p.kernel.tasks())
}

// Wake makes everything be read again: the configuration changed, or the runtime came back.
func (p *Pods) Wake() {
	p.mu.Lock()
	p.driver.Store(nil)
	p.mu.Unlock()
	p.source.loop.Wake()
	p.full.Wake()
}

// Hint says that something happened to a container or sandbox. Strangers are ignored, and so is what a pidfd told earlier while the next
// attempt is on its way: the end of that op has the pod read again.
func (p *Pods) Hint(id string) {
	p.mu.Lock()
	key, ok := p.owner[id]
	if x := p.pods[key]; ok && x != nil && !x.gone[id].IsZero() {
		_, busy := x.ops[containerSlot(x.statuses[id].Name)]
		ok = !busy
	}
	p.mu.Unlock()
	if ok {
		p.wake(key)
	}
}

// wake makes a pod's truth be read again.
func (p *Pods) wake(key string) {
	p.mu.Lock()
	if x := p.pods[key]; x != nil {
		p.stir(x)
	}
	p.mu.Unlock()
	p.keyed.Wake(key)
}

// stir notes that something happened to a pod: what a full reading saw of it before counts no more. It needs the lock.
func (p *Pods) stir(x *pod) {
	p.stirs++
	x.stirred, x.last = p.stirs, nil
}

func (p *Pods) exited(id string) {
	p.mu.Lock()
	key, ok := p.owner[id]
	if ok {
		if x := p.pods[key]; x != nil {
			if x.gone[id].IsZero() {
				x.gone[id] = time.Now()
			}
			p.stir(x)
		}
	}
	p.mu.Unlock()
	if ok {
		p.keyed.Wake(key)
	}
}

// pod needs the lock.
func (p *Pods) pod(key string) *pod {
	x := p.pods[key]
	if x == nil {
		x = &pod{key: key, ops: map[Slot]Action{}, failures: map[Slot]Failure{}, fresh: map[string]bool{}, statuses: map[string]Container{},
			addrs: map[string]string{}, owned: map[string]bool{}, gone: map[string]time.Time{}, lost: map[string]bool{}, ooms: map[string]int{}, since: time.Now(), refresh: true}
		p.pods[key] = x
	}
	return x
}

// load reads the memory of every pod.
func (p *Pods) load() error {
	names, err := p.d.Store.List("pods")
	if err != nil {
		return err
	}
	for _, name := range names {
		var m Memory
		found, err := p.d.Store.Load(name, memoryVersion, &m)
		if err != nil {
			p.d.Log.Warn("a pod's memory can't be read; its restart counts begin anew", zap.String("state", name), zap.Error(err))
			continue
		}
		if found && m.Name != "" {
			p.pod(m.Namespace + "/" + m.Name).memory = m
		}
	}
	return nil
}

func memoryName(key string) string { return "pods/" + strings.Replace(key, "/", "_", 1) }

// Prune lets go what is kept although its file is gone.
func (p *Pods) Prune() { p.source.prune() }

func (p *Pods) passError(err error) {
	var panicked *reconcile.PanicError
	if errors.As(err, &panicked) {
		p.d.Log.Error("static pods: panic", zap.Error(err), zap.ByteString("stack", panicked.Stack))
	}
}

// opsTask is the keyed loop with the life of the ops around it.
type opsTask struct{ *Pods }

func (t opsTask) Run(ctx context.Context) error {
	p := t.Pods
	makeCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(shutdownGrace, cancel) })()
	p.mu.Lock()
	p.opsCtx, p.makeCtx, p.open = ctx, makeCtx, true
	p.mu.Unlock()
	err := p.keyed.Run(ctx)
	p.mu.Lock()
	p.open = false
	p.mu.Unlock()
	p.ops.Wait()
	return err
}

func (t opsTask) Ready() <-chan struct{} { return t.keyed.Ready() }
func (t opsTask) Beat() time.Time        { return t.keyed.Beat() }
func (t opsTask) Bound() time.Duration   { return t.keyed.Bound() }
func (t opsTask) String() string         { return t.keyed.String() }
