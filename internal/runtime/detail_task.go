package runtime

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/procs"
	"nodeagent/internal/runtime/oci"
	"nodeagent/internal/runtime/shim"
)

// detailMemory is what the detail task keeps from look to look. It is its own alone.
type detailMemory struct {
	versions oci.Versions
	disks    disks
	tasks    map[string]shim.Task // by container id
	once     map[string]bool      // what was suspect in the last look: twice is needed
	unit     string               // name of the unit found last
	samples  []restartSample
	own      *procs.Table // where none is shared
}

const (
	maxPID    = 1 << 22 // PID_MAX_LIMIT of 64-bit Linux: no process of a node has a higher one
	shimGrace = time.Minute
	// ociPatience is how long an operation of an OCI runtime may run: on a busy node it takes a second.
	ociPatience = 15 * time.Second
)

// see looks once. c may be nil.
func (m *detailMemory) see(ctx context.Context, d *detailsSeen, c *connection) {
	if c != nil {
		if x := c.dialed.Load(); x != nil {
			d.peer = x.peer
		}
		d.seeCalls(ctx, c)
		d.seeFiles(ctx, &m.versions, &m.disks)
		m.seeProcesses(ctx, d, c)
	}
	m.seeUnit(ctx, d)
}

// table is of all processes, where none is shared.
func (m *detailMemory) table(c Config) *procs.Table {
	if c.Processes != nil {
		return c.Processes
	}
	if m.own == nil {
		m.own = procs.New(procfs)
	}
	return m.own
}

// seeProcesses compares what the runtime says with /proc. What is suspect must be so in two looks: tasks come and go between a list and /proc.
func (m *detailMemory) seeProcesses(ctx context.Context, d *detailsSeen, c *connection) {
	was := m.once
	m.once = nil // what was suspect before this look is no more than that, unless this one says so too
	if d.unresponsive != "" || d.containers.Err != nil || d.sandboxes.Err != nil {
		return
	}
	if d.peer == 0 { // who listens is of another pid namespace, or gone: its pids mean nothing here
		d.procErr = errors.New("the process behind the socket is not seen from here")
		return
	}
	m.know(ctx, d, c)
	suspect := map[string]bool{}
	twice := func(key string) bool {
		suspect[key] = true
		return was[key]
	}
	for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
		t := m.tasks[id]
		if now, there := shim.ReadProcess(procfs, t.PID); shim.Dead(t, now, there) && twice("task "+t.ID) {
			d.dead = append(d.dead, t)
		}
	}
	var binaries []string
	names := map[string]bool{"sh": true, "dash": true, "bash": true, "runc": true, "crun": true}
	for _, h := range d.handlers {
		if h.path != "" && !h.Shim {
			binaries = append(binaries, h.path)
			names[comm(h.path)] = true
		}
	}
	processes, err := shim.ReadProcesses(m.table(d.cfg), func(name string) bool { return shim.IsShim(name) || names[name] })
	if d.procErr = err; err != nil {
		return
	}
	d.stuck = oci.Stuck(processes, binaries, cmp.Or(d.cfg.ociPatience, ociPatience))
	if d.name == "containerd" {
		m.seeShims(ctx, d, c, processes, twice)
	}
	m.once = suspect
}

func (m *detailMemory) seeShims(ctx context.Context, d *detailsSeen, c *connection, processes []shim.Process, twice func(string) bool) {
	var shims []shim.Shim
	for _, p := range processes {
		if s, ok := shim.Parse(p); ok {
			shims = append(shims, s)
		}
	}
	ready := map[string]bool{}
	for _, s := range d.sandboxes.Resp.GetItems() {
		if s.GetState() == cri.PodSandboxState_SANDBOX_READY {
			ready[s.GetId()] = true
		}
	}
	for _, s := range shim.Suspects(shims, c.endpoint.Path, kubernetes, ready, cmp.Or(d.cfg.shimGrace, shimGrace)) {
		if has, err := hasTask(ctx, c, s.ID, d.cfg.ProbeTimeout); err == nil && !has && twice("shim "+s.ID) {
			d.leaked = append(d.leaked, s)
		}
	}
	for _, s := range shims {
		if (s.State == 'T' || s.State == 't') && s.Address == c.endpoint.Path && twice("stopped "+s.ID) {
			d.stopped = append(d.stopped, s)
		}
	}
}

// know asks for the pid of each running container, once.
func (m *detailMemory) know(ctx context.Context, d *detailsSeen, c *connection) {
	pods := map[string]*cri.PodSandboxMetadata{}
	for _, s := range d.sandboxes.Resp.GetItems() {
		pods[s.GetId()] = s.GetMetadata()
	}
	running := map[string]shim.Task{}
	for _, x := range d.containers.Resp.GetContainers() {
		if x.GetState() != cri.ContainerState_CONTAINER_RUNNING {
			continue
		}
		if t, ok := m.tasks[x.GetId()]; ok {
			running[t.ID] = t
			continue
		}
		var a timedAnswer[*cri.ContainerStatusResponse]
		a.ask(ctx, d.cfg.ProbeTimeout, func(ctx context.Context) (*cri.ContainerStatusResponse, error) {
			return cri.NewRuntimeServiceClient(c).ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: x.GetId(), Verbose: true})
		})
		var info struct {
			PID int `json:"pid"`
		}
		if a.Err != nil || json.Unmarshal([]byte(a.Resp.GetInfo()["info"]), &info) != nil || info.PID <= 0 || info.PID > maxPID {
			continue
		}
		pod := pods[x.GetPodSandboxId()]
		t := shim.Task{ID: x.GetId(), PID: info.PID, Name: pod.GetNamespace() + "/" + pod.GetName() + "/" + x.GetMetadata().GetName()}
		if p, there := shim.ReadProcess(procfs, t.PID); there {
			t.Start = p.Start
		}
		running[t.ID] = t
	}
	m.tasks = running
}

func (m *detailMemory) seeUnit(ctx context.Context, d *detailsSeen) {
	if d.cfg.Unit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.ProbeTimeout)
	defer cancel()
	pid := d.peer
	if d.unresponsive != "" { // the process may be another one by now
		pid = 0
	}
	if pid <= 1 && m.unit == "" {
		return
	}
	d.unit, d.unitErr = d.cfg.Unit(ctx, pid, m.unit)
	if d.unitErr != nil || d.unit.Name == "" {
		return
	}
	if d.unit.Name != m.unit {
		m.unit, m.samples = d.unit.Name, nil
	}
	m.samples = append(m.samples, restartSample{d.now, d.unit.Restarts})
	m.samples, d.restarts = restartsWithin(m.samples, d.now)
}

// comm is a program's name as the kernel cuts it.
func comm(path string) string {
	name := siblingName(path)
	return name[:min(len(name), 15)]
}

// passDetails is one look at the details: the only writer of their conditions and of Details.
func (r *Runtime) passDetails(ctx context.Context) (next time.Time, err error) {
	began := time.Now()
	cfg := r.config()
	d := &detailsSeen{cfg: cfg, now: began, noEvents: r.events.said.Load()}
	if p := r.socket.polls.Load(); p != nil {
		d.polls = *p
	}
	well := r.well.Load()
	if well == nil { // not looked at yet: the first look wakes this one
		return time.Time{}, nil
	}
	d.unresponsive = well.reason
	if v, ok := r.View.Get(); ok {
		d.name, d.version = v.Name, v.Version
	}
	r.memory.see(ctx, d, r.link.now.Load())
	if ctx.Err() != nil {
		return time.Time{}, nil
	}
	if now := r.well.Load(); now.reason != "" { // it stopped answering meanwhile: that is not many findings but one
		d.unresponsive = now.reason
	}
	d.names = r.names.now(d.ids(), time.Now())
	if d.unresponsive == "" && d.status.Err == nil && d.toldErr == nil { // the runtime of the moment: another one may have another folder, or not tell
		r.cni.Store(&d.told.CNIConf)
	}
	r.board.Publish(judgeDetails(d)...)
	r.Details.Set(showDetails(d))
	// From end to end: what takes its whole deadline does not run without a pause.
	next = time.Now().Add(cfg.detailFrequency())
	if len(r.memory.once) > 0 {
		next = time.Now().Add(min(cfg.detailFrequency(), again)) // a suspicion is soon known
	}
	return next, nil
}

// again is the pause before a second look at what is suspect.
const again = 5 * time.Second
