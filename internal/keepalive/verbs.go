package keepalive

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// MaintenanceRequest asks for maintenance of this node.
type MaintenanceRequest struct {
	For    time.Duration // above 0, at most MaxMaintenance
	Reason string
	By     string
	Force  bool // don't ask the other agents
}

// StartMaintenance lowers every verdict by its policy's weight until the time is over or StopMaintenance is called; it outlives the agent. It asks
// the other agents first, and refuses with a *view.Error where none is known to be fit in this node's place. Where it is in force
// already, its end and reason are replaced, and nobody is asked.
func (k *Keepalive) StartMaintenance(ctx context.Context, r MaintenanceRequest) (Maintenance, error) {
	if r.For <= 0 || r.For > MaxMaintenance {
		return Maintenance{}, &view.Error{Problem: fmt.Sprintf("maintenance for %v", r.For), Fix: fmt.Sprintf("Give --for more than 0 and at most %v.", MaxMaintenance)}
	}
	if !k.verb.TryLock() {
		return Maintenance{}, &view.Error{Problem: "another maintenance command is being answered", Fix: "Wait a moment and try again."}
	}
	defer k.verb.Unlock()
	was := k.now()
	m := Maintenance{Since: time.Now(), Reason: view.OneLine(r.Reason), By: view.OneLine(r.By)}
	m.Until = m.Since.Add(r.For)
	if was.In(m.Since) {
		m.Since = was.Since
	} else if !r.Force {
		k.leaving.Store(true) // before asking: a peer that asks us meanwhile must not count on us
		defer k.leaving.Store(false)
		cfg := k.config()
		asking, cancel := context.WithTimeout(ctx, cfg.PeerTimeout)
		heard := AskPeers(asking, k.client, cfg.Peers)
		cancel()
		if err := mayLeave(k.deps.Node(), k.writer.shown.All(), heard); err != nil {
			return Maintenance{}, err
		}
	}
	if err := k.deps.Store.SaveDurable("maintenance", maintenanceVersion, m); err != nil {
		return Maintenance{}, err
	}
	k.maintenance.Store(&m)
	k.writer.Wake()
	k.tell("MaintenanceStarted", m.String())
	return m, nil
}

// StopMaintenance ends it. Ending none is no error.
func (k *Keepalive) StopMaintenance(context.Context) error {
	k.verb.Lock()
	defer k.verb.Unlock()
	if err := k.deps.Store.Delete("maintenance"); err != nil {
		return err
	}
	was := k.now()
	k.maintenance.Store(&Maintenance{})
	k.writer.Wake()
	if was.In(time.Now()) {
		k.tell("MaintenanceStopped", "maintenance was ended by hand")
	}
	return nil
}

// Maintenance is the one in force.
func (k *Keepalive) Maintenance() (Maintenance, bool) {
	m := k.now()
	return m, m.In(time.Now())
}

func (k *Keepalive) now() Maintenance {
	if m := k.maintenance.Load(); m != nil {
		return *m
	}
	return Maintenance{}
}

// inForce is what lowers the verdicts: maintenance, or that the node goes down.
func (k *Keepalive) inForce() Maintenance {
	m := k.now()
	if d := k.departing.Load(); d != nil && !m.In(time.Now()) {
		return *d
	}
	return m
}

func (k *Keepalive) tell(reason, message string) {
	k.log.Info(message)
	if k.deps.Record != nil {
		k.deps.Record(event.Event{Kind: KindVIP, Reason: reason, Message: message})
	}
}

// loadMaintenance takes up what an earlier agent kept. What can't be read is none, and said.
func loadMaintenance(store Store, log *zap.Logger) Maintenance {
	var m Maintenance
	if _, err := store.Load("maintenance", maintenanceVersion, &m); err != nil {
		log.Error("the maintenance of this node is not known and counts as ended", zap.Error(err))
		return Maintenance{}
	}
	return m
}
