package keepalive

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/procs"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// vrrp knows what became of the VIPs: from the FIFO, the addresses and the process. It is the only writer of Keepalived and VRRP.
type vrrp struct {
	config func() Config
	deps   Deps
	board  *health.Board
	log    *zap.Logger
	loop   *reconcile.Loop
	boot   string
	named  atomic.Bool // keepalived.conf names a verdict of ours

	shown     view.Cell[[]InstanceView]
	processes view.Cell[[]Process]

	mu    sync.Mutex
	told  map[string]Told
	fresh bool // told changed since it was saved

	// Of the loop alone.
	find   finder
	memory map[string]instanceMemory
	known  map[int]watched // by pid
}

type watched struct {
	start uint64
	stop  func()
}

// toldVersion is of the state file "vrrp".
const toldVersion = 1

// toldState is what is kept of the FIFO: its lines are read once, by one agent.
type toldState struct {
	Boot string          `json:"boot"` // id of the boot that it is true for
	Told map[string]Told `json:"told"`
}

func newVRRP(config func() Config, deps Deps, board *health.Board, log *zap.Logger) *vrrp {
	if deps.Processes == nil {
		deps.Processes = procs.New(config().proc())
	}
	w := &vrrp{
		config: config, deps: deps, board: board, log: log, boot: state.BootID(), told: map[string]Told{},
		find: finder{table: deps.Processes}, memory: map[string]instanceMemory{}, known: map[int]watched{},
	}
	var kept toldState
	if found, err := deps.Store.Load("vrrp", toldVersion, &kept); err != nil {
		log.Warn("what keepalived told last is not known: restart keepalived to hear it again", zap.Error(err))
	} else if found && kept.Boot == w.boot && kept.Told != nil {
		w.told = kept.Told
	}
	w.loop = reconcile.NewLoop(w.pass, reconcile.Options{Name: "VRRP state", OnError: func(err error) { log.Error("look at VRRP", zap.Error(err)) }})
	return w
}

// maxTold bounds the instances that a FIFO may tell of.
const maxTold = 256

// notice takes a line of the FIFO.
func (w *vrrp) notice(n notice) {
	st, ok := n.state()
	if !ok || n.group {
		return
	}
	w.mu.Lock()
	if _, known := w.told[n.name]; known || len(w.told) < maxTold {
		w.told[n.name] = Told{State: st, Priority: n.priority, Boot: sinceBoot()}
		w.fresh = true
	}
	w.mu.Unlock()
	w.loop.Wake()
}

// pass is one look.
func (w *vrrp) pass(context.Context) (time.Time, error) {
	now, cfg := time.Now(), w.config()
	s := look(&w.find, w.deps.Configured, now)
	s.Told = w.heard(s)
	w.watch(s.Processes)
	w.named.Store(names(s.Configured, cfg.Policies))
	j := judge(s, w.memory, health.Validity(cfg.CheckFrequency, time.Second), now)
	w.memory = j.memory
	w.board.Publish(j.looks...)
	w.shown.Set(j.instances)
	w.processes.Set(s.Processes)
	for _, m := range j.moved {
		w.log.Info("VRRP state", zap.String("instance", m.Instance), zap.String("state", string(m.To)), zap.String("was", string(m.From)))
		if w.deps.Record != nil {
			w.deps.Record(event.Event{Kind: KindVIP, Subject: m.Instance, Reason: "State", Message: m.Instance + ": " + string(m.To) + ", was " + string(m.From)})
		}
	}
	next := now.Add(cfg.CheckFrequency)
	if !j.next.IsZero() && j.next.Before(next) {
		next = j.next
	}
	return next, w.save()
}

// look reads all the truth there is but the FIFO's.
func look(find *finder, configured func() Configured, now time.Time) Seen {
	s := Seen{Configured: configured()}
	s.Processes, s.ProcessErr = find.find(s.Configured.Found || s.Configured.Err != nil, now)
	s.Addresses, s.AddressErr = readAddresses(vips(s.Configured))
	return s
}

// vips are the addresses of all instances.
func vips(c Configured) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, i := range c.Instances {
		for _, v := range i.VIPs {
			out[v.Addr()] = true
		}
	}
	return out
}

// tick is the unit of a process' start time, in which it is rounded down: 1/USER_HZ, 10 ms on every architecture of Linux.
const tick = 10 * time.Millisecond

// heard is what was told by the processes that run. What an earlier one told is void: a reload prints no state, but a start does.
func (w *vrrp) heard(s Seen) map[string]Told {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.ProcessErr != nil || len(s.Processes) == 0 {
		return maps.Clone(w.told)
	}
	oldest := time.Duration(s.Processes[0].Start) * tick
	for _, p := range s.Processes[1:] {
		oldest = min(oldest, time.Duration(p.Start)*tick)
	}
	for name, t := range w.told {
		if t.Boot < oldest {
			delete(w.told, name)
			w.fresh = true
		}
	}
	return maps.Clone(w.told)
}

// save keeps what was told for the next agent.
func (w *vrrp) save() error {
	w.mu.Lock()
	told, fresh := maps.Clone(w.told), w.fresh
	w.fresh = false
	w.mu.Unlock()
	if !fresh {
		return nil
	}
	return w.deps.Store.Save("vrrp", toldVersion, toldState{Boot: w.boot, Told: told})
}

// watch has the loop woken when one of the processes ends.
func (w *vrrp) watch(processes []Process) {
	now := map[int]watched{}
	for _, p := range processes {
		if k, ok := w.known[p.PID]; ok && k.start == p.Start {
			now[p.PID] = k
			continue
		}
		now[p.PID] = watched{start: p.Start, stop: onExit(p, w.find.table.Proc(), w.loop.Wake)}
	}
	for pid, k := range w.known {
		if now[pid].start != k.start {
			k.stop()
		}
	}
	w.known = now
}

// names reports whether keepalived.conf tracks one of the policies' verdicts.
func names(c Configured, policies []Policy) bool {
	for _, i := range c.Instances {
		for _, v := range i.Verdicts {
			for _, p := range policies {
				if p.Name == v {
					return true
				}
			}
		}
	}
	return false
}
