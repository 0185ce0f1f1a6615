package crifake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Options of a [Server]. The zero value is containerd 2 with no delays, an empty image store and both conditions true.
type Options struct {
	// Personality is the runtime to be; the zero value means Containerd2.
	Personality Personality
	// Images are known to the registry; those with Present set are in the store too.
	Images []Image
	// RealisticDelays makes calls take the personality's Delays.
	RealisticDelays bool
	// RealProcesses gives each running container a real child process (sleep), so that pidfds and kill -9 work.
	// Not in a synctest bubble.
	RealProcesses bool
	// PodEvents is CRI-O's enable_pod_events.
	PodEvents bool
	// SystemdCgroup is the cgroup driver in RuntimeConfig and in the verbose Status.
	SystemdCgroup bool
	// RuntimeHandlers are known besides "" and runc.
	RuntimeHandlers []string
	// StrictLogDirs makes StartContainer fail where the log file's folder is missing, as containerd does.
	// Without it the folder is made.
	StrictLogDirs bool
	// ImageFs is the mount point that ImageFsInfo names; empty means the runtime's default folder.
	ImageFs string
}

// Server is the fake runtime. Make it with [New].
type Server struct {
	cri.UnimplementedRuntimeServiceServer
	cri.UnimplementedImageServiceServer

	o Options
	p Personality

	mu         sync.Mutex
	seq        int
	sandboxes  map[string]*sandbox   // by id
	containers map[string]*container // by id
	names      map[string]string     // reserved name -> id
	registry   map[string]Image      // normal name -> what a pull brings
	images     map[string]*localImage
	behaviours map[string]Behaviour
	exec       func(Exec) ExecResult
	onExit     map[int]func(id string, pid int)
	conditions []*cri.RuntimeCondition
	info       map[string]string
	config     string // CRI-O's /config; empty: the default one
	faults     []*fault
	calls      []Call
	inflight   map[int]*operation
	events     hub
	down       bool
	closed     bool

	serveMu    sync.Mutex
	socket     string
	grpcServer *grpc.Server
	children   sync.WaitGroup
}

var (
	_ cri.RuntimeServiceServer = (*Server)(nil)
	_ cri.ImageServiceServer   = (*Server)(nil)
)

// New makes a runtime that is up, ready and empty.
func New(o Options) *Server {
	if o.Personality.Name == "" {
		o.Personality = Containerd2()
	}
	s := &Server{
		o:          o,
		p:          o.Personality,
		sandboxes:  map[string]*sandbox{},
		containers: map[string]*container{},
		names:      map[string]string{},
		registry:   map[string]Image{},
		images:     map[string]*localImage{},
		behaviours: map[string]Behaviour{},
		onExit:     map[int]func(string, int){},
		inflight:   map[int]*operation{},
	}
	s.conditions = s.defaultConditions()
	s.events.mode = s.p.events
	for _, i := range o.Images {
		s.AddImage(i)
	}
	return s
}

// Personality is the runtime that the server plays.
func (s *Server) Personality() Personality { return s.p }

// Close takes the runtime down for good, kills the real processes and waits for them.
func (s *Server) Close() {
	s.Down()
	s.mu.Lock()
	s.closed = true
	s.onExit = map[int]func(string, int){}
	for _, c := range s.containers {
		c.stopTimers()
		if c.proc != nil && !c.gone {
			killGroup(c.proc)
		}
	}
	s.mu.Unlock()
	s.children.Wait()
}

// Down stops the runtime as a crash does: calls in flight and later ones fail with Unavailable, streams break, containers go
// on. What ends meanwhile is reported after Up in the personality's way.
func (s *Server) Down() {
	s.mu.Lock()
	if s.down {
		s.mu.Unlock()
		return
	}
	s.down = true
	for _, op := range s.inflight {
		op.cancel(errDown)
	}
	for _, c := range s.containers {
		if c.killTimer != nil {
			c.killTimer.Stop()
			c.killTimer = nil
		}
		c.termed = false // the runtime remembers it in memory only
	}
	s.events.reset()
	s.mu.Unlock()
	s.stopListening()
}

// Up starts the runtime again with the state it had. It panics if the socket cannot be listened on again.
func (s *Server) Up() {
	s.mu.Lock()
	if !s.down || s.closed {
		s.mu.Unlock()
		return
	}
	s.down = false
	now := time.Now()
	for _, c := range s.containers {
		if c.state == cri.ContainerState_CONTAINER_RUNNING && c.gone {
			s.setExitedLocked(c, s.p.lost(c.end, now))
		}
	}
	s.events.reset() // a new process has an empty queue
	s.mu.Unlock()
	if err := s.listenAgain(); err != nil {
		panic(err)
	}
}

// nextLocked counts; ids and addresses are made from it.
func (s *Server) nextLocked() int {
	s.seq++
	return s.seq
}

// newIDLocked makes an id that is the same in each run. Lists are sorted by it, so that their order is neither that of
// creation nor random.
func (s *Server) newIDLocked() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "id %d", s.nextLocked()))
	return hex.EncodeToString(sum[:])
}

// work takes d of the caller's time if delays are realistic.
func (s *Server) work(ctx context.Context, d time.Duration) error {
	if !s.o.RealisticDelays {
		return ctx.Err()
	}
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
