package keepalive

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
	"nodeagent/internal/state"
)

// Task is what the agent runs (see the agent's own Task).
type Task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	Beat() time.Time
	Bound() time.Duration
	String() string
}

// Keepalive is the part of the agent that keepalived sees.
type Keepalive struct {
	config func() Config
	deps   Deps
	log    *zap.Logger
	client *http.Client

	writer  *writer
	sockets *sockets
	vrrp    *vrrp
	fifo    *fifo // nil: none is configured
	address *addressWatch

	verb        sync.Mutex // one maintenance command at a time
	maintenance atomic.Pointer[Maintenance]
	leaving     atomic.Bool
	departing   atomic.Pointer[Maintenance] // the node goes down
}

// New makes a Keepalive that does nothing until its Tasks run. config is called once a pass; the board must know Conditions and those of the policies.
func New(config func() Config, deps Deps, board *health.Board, log *zap.Logger) *Keepalive {
	cfg := config()
	if deps.Configured == nil {
		deps.Configured = notConfigured
	}
	if deps.Node == nil {
		deps.Node = func() string { return "" }
	}
	k := &Keepalive{config: config, deps: deps, log: log}
	m := loadMaintenance(deps.Store, log)
	k.maintenance.Store(&m)
	k.vrrp = newVRRP(config, deps, board, log)
	k.writer = newWriter(cfg.Dir)
	k.writer.policies = func() []Policy { return config().Policies }
	k.writer.maintenance = k.inForce
	k.writer.named = k.vrrp.named.Load
	k.writer.board, k.writer.record, k.writer.log = board, deps.Record, log
	k.sockets = newSockets(cfg.Dir, func() []string { return policyNames(config().Policies) }, k.writer.lines.Get, log)
	k.address = newAddressWatch(k.vrrp.loop.Wake)
	if cfg.FIFO != "" {
		k.fifo = newFIFO(cfg.FIFO, k.vrrp.notice, log)
	}
	return k
}

// Tasks are what must run: the verdicts and their sockets, the state of VRRP, the watch of the addresses, and the notify FIFO.
func (k *Keepalive) Tasks() []Task {
	tasks := []Task{k.writer, k.sockets, k.vrrp.loop, k.address}
	if k.fifo != nil {
		tasks = append(tasks, k.fifo)
	}
	return tasks
}

// Wake reads everything again, for a reload.
func (k *Keepalive) Wake() {
	k.writer.Wake()
	k.sockets.wake()
	k.vrrp.loop.Wake()
}

func policyNames(policies []Policy) []string {
	var out []string
	for _, p := range policies {
		out = append(out, p.Name)
	}
	return out
}

// View is all that is shown of this package.
type View struct {
	Verdicts    []Verdict      `json:"verdicts"`
	Named       bool           `json:"named"` // keepalived.conf names a verdict of ours; if not, all this is only observed
	Transitions []Transition   `json:"transitions,omitempty"`
	Maintenance *Maintenance   `json:"maintenance,omitempty"`
	Keepalived  []Process      `json:"keepalived,omitempty"`
	Instances   []InstanceView `json:"instances,omitempty"`
	Counters    Counters       `json:"counters"`
}

// Counters since the agent's start.
type Counters struct {
	Changes    uint64 `json:"changes"`    // verdicts that took another number or word
	Rewrites   uint64 `json:"rewrites"`   // verdict files that somebody else changed or removed
	Answers    uint64 `json:"answers"`    // on the verdict sockets
	BadNotices uint64 `json:"badNotices"` // lines of the notify FIFO that were none
}

// View is the picture now.
func (k *Keepalive) View() View {
	v := View{Verdicts: k.writer.shown.All(), Named: k.vrrp.named.Load(), Transitions: k.writer.history.all()}
	v.Instances, _ = k.vrrp.shown.Get()
	v.Keepalived, _ = k.vrrp.processes.Get()
	if m, ok := k.Maintenance(); ok {
		v.Maintenance = &m
	}
	v.Counters = Counters{Changes: k.writer.changes.Load(), Rewrites: k.writer.rewrites.Load(), Answers: k.sockets.answered.Load()}
	if k.fifo != nil {
		v.Counters.BadNotices = k.fifo.bad.Load()
	}
	return v
}

// Answer is what another agent is told at AnswerPath.
func (k *Keepalive) Answer() Answer {
	a := Answer{Node: k.deps.Node(), Policies: []PolicyAnswer{}}
	leaving := k.leaving.Load()
	for _, v := range k.writer.shown.All() {
		a.Policies = append(a.Policies, PolicyAnswer{Name: v.Policy, Fit: v.Fit() && !leaving, Number: v.Number, Word: v.Word})
	}
	return a
}

// Look looks once, changes nothing and keeps nothing open, for `status` with no daemon. Verdicts are those of the files; one whose beat is too
// old is shown as unknown, with its cause. What keepalived told is read from the store. configured may be nil.
func Look(cfg Config, store Loader, configured func() Configured) ([]health.Look, View) {
	now := time.Now()
	if configured == nil {
		configured = notConfigured
	}
	s := look(&finder{table: procs.New(cfg.proc())}, configured, now)
	w := &vrrp{told: map[string]Told{}}
	var kept toldState
	if found, err := store.Load("vrrp", toldVersion, &kept); err == nil && found && kept.Boot == state.BootID() {
		w.told = kept.Told
	}
	s.Told = w.heard(s)
	j := judge(s, nil, health.Validity(cfg.CheckFrequency, time.Second), now)
	v := View{Named: names(s.Configured, cfg.Policies), Keepalived: s.Processes, Instances: j.instances}
	var m Maintenance
	if _, err := store.Load("maintenance", maintenanceVersion, &m); err == nil && m.In(now) {
		v.Maintenance = &m
	}
	var problems []string
	for _, p := range cfg.Policies {
		verdict, problem := fileVerdict(cfg.Dir, p.Name)
		v.Verdicts = append(v.Verdicts, verdict)
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	f := health.Finding{Status: health.OK, Message: "verdicts are in " + cfg.Dir}
	switch {
	case len(cfg.Policies) == 0:
		f = health.Finding{Status: health.Absent, Message: "no policy is configured"}
	case len(problems) > 0 && !v.Named:
		f = health.Finding{Status: health.Absent, Message: "no agent writes verdicts, and keepalived.conf names none"}
	case len(problems) > 0:
		f = health.Finding{Status: health.Failing, Reason: reasonNotWritten, Message: problems[0]}
	}
	return append(j.looks, health.Look{Of: VIPVerdict, Findings: []health.Finding{f}}), v
}

// fileVerdict is what the files say of a policy.
func fileVerdict(dir, policy string) (Verdict, string) {
	v := Verdict{Policy: policy, Number: DefaultWeight}
	n, err := readNumber(dir, policy)
	if err == nil {
		var age time.Duration
		if age, err = BeatAge(dir); err == nil && age > BeatValid {
			err = fmt.Errorf("%s was last kept %v ago", filepath.Join(dir, policy), age.Round(time.Second))
		}
		v.Number = n
	}
	if err != nil {
		v.Causes = []Cause{{Message: err.Error()}}
		return v, err.Error()
	}
	v.Word = WordOK
	if n < 0 {
		v.Word = WordDegraded
	}
	if n == Fault {
		v.Word = WordFault
	}
	return v, ""
}

// Needs lists the conditions that the policies count, each once, so that a configuration that names one nobody publishes can be refused.
func Needs(policies []Policy) []string {
	var out []string
	for _, p := range policies {
		for _, c := range p.Counts {
			if !slices.Contains(out, c.Condition) {
				out = append(out, c.Condition)
			}
		}
	}
	return out
}
