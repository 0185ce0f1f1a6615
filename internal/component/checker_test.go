package component

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// TestBlamedEtcdIsLookedAt: an etcd that the apiserver begins to blame is looked at then, and not at its own time.
func TestBlamedEtcdIsLookedAt(t *testing.T) {
	n := newNode(t)
	n.cfg.Every = time.Hour
	board := health.NewBoard(nil, Conditions()...)
	c := New(func() Config { return n.cfg }, Deps{}, board, zap.NewNop())
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for _, task := range c.Tasks() {
		if task.String() == nameEtcd {
			go func() { _ = task.Run(ctx) }()
			<-task.Ready()
		}
	}
	n.manifest(nameEtcd, "--listen-metrics-urls=http://127.0.0.1:1") // nobody listens, and no look is due for an hour
	c.suspect(failing(apiCheck, "/livez: ping"))
	c.suspect(failing(apiCheck, "/livez: etcd"))
	err := board.Watch(ctx, []*health.Condition{Etcd}, func(snap health.Snapshot) {
		if st, _ := snap.Of(Etcd.Name); st.Worst().Status == health.Failing {
			stop()
		}
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Errorf("etcd was not looked at (%v)", err)
	}
}
