package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/netcheck"
	"nodeagent/internal/reconcile"
)

const (
	every   = time.Minute
	timeout = 10 * time.Second
	// believed is how old a list may be: a node that joined since is a peer without annotations until then.
	believed = 10 * time.Minute
)

var errNotYet = errors.New("the nodes were not listed yet")

// Lister lists the nodes in the background. It is a task.
type Lister struct {
	*reconcile.Loop
	path func() string // of the kubeconfig; empty: none
	last atomic.Pointer[listed]
	said atomic.Bool
	log  *zap.Logger
}

type listed struct {
	nodes []netcheck.Node
	at    time.Time
	err   error // of the last try
}

// New makes a Lister that does nothing until Run. path is called once a pass.
func New(path func() string, log *zap.Logger) *Lister {
	l := &Lister{path: path, log: log}
	l.Loop = reconcile.NewLoop(l.pass, reconcile.Options{Name: "nodes' annotations", Bound: 30*time.Second + timeout})
	return l
}

func (l *Lister) pass(ctx context.Context) (time.Time, error) {
	next := time.Now().Add(every)
	path := l.path()
	if path == "" {
		l.last.Store(nil)
		return next, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	list, err := fetch(ctx, path)
	is := &listed{nodes: list, at: time.Now()}
	if err != nil {
		was := l.last.Load()
		is = &listed{err: err}
		if was != nil {
			is.nodes, is.at = was.nodes, was.at
		}
	}
	l.last.Store(is)
	switch {
	case err != nil && !l.said.Swap(true):
		l.log.Warn("the nodes' annotations are not known", zap.Error(err))
	case err == nil && l.said.Swap(false):
		l.log.Info("the nodes' annotations are known again")
	}
	return next, nil
}

func fetch(ctx context.Context, path string) ([]netcheck.Node, error) {
	s, err := open(path, timeout)
	if err != nil {
		return nil, err
	}
	defer s.client.CloseIdleConnections()
	return s.list(ctx)
}

// Nodes answers from memory: none and no error where no kubeconfig is configured.
func (l *Lister) Nodes(context.Context) ([]netcheck.Node, error) {
	is := l.last.Load()
	switch {
	case l.path() == "":
		return nil, nil
	case is == nil:
		return nil, errNotYet
	case is.err != nil && (is.at.IsZero() || time.Since(is.at) > believed):
		return nil, fmt.Errorf("the nodes' annotations: %w", is.err)
	}
	return is.nodes, nil
}
