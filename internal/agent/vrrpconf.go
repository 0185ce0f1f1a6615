package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/keepalive/lint"
	"nodeagent/internal/reconcile"
)

// lintEvery is between lints of keepalived.conf. What it includes, and the scripts it names, may change without the file.
const lintEvery = 30 * time.Second

// vrrpConf reads keepalived.conf for all that need it, and lints it.
type vrrpConf struct {
	config func() lintConfig
	loop   *reconcile.Loop

	mu   sync.Mutex
	of   confStamp
	list []lint.Described
	err  error
}

// confStamp tells whether what was read is what is there.
type confStamp struct {
	path string
	size int64
	mod  time.Time
	read time.Time
}

// lintConfig is where keepalived.conf lies and what it is held against.
type lintConfig struct {
	path    string
	options lint.Options
}

func lintConfigOf(c config.Config) lintConfig {
	o := lint.Options{VerdictDir: verdictDir(c)}
	for _, p := range policies(c.Keepalive.Policies) {
		o.Verdicts = append(o.Verdicts, p.Name)
	}
	if c.Keepalive.HAProxy.Port > 0 {
		o.Balancer = []uint16{uint16(c.Keepalive.HAProxy.Port)}
	}
	return lintConfig{path: c.Keepalive.ConfigFile, options: o}
}

func newVRRPConf(cfg func() lintConfig, board *health.Board) *vrrpConf {
	v := &vrrpConf{config: cfg}
	v.loop = reconcile.NewLoop(func(context.Context) (time.Time, error) {
		board.Publish(lintLook(cfg()))
		return time.Now().Add(lintEvery), nil
	}, reconcile.Options{Name: "keepalived.conf"})
	return v
}

func lintLook(c lintConfig) health.Look {
	problems, err := lint.File(c.path, c.options)
	return lint.Look(c.path, problems, err, health.Validity(lintEvery, time.Second))
}

// described are the instances of keepalived.conf, read anew where the file is another or what it includes may be.
func (v *vrrpConf) described() []lint.Described {
	list, _ := v.read()
	return list
}

func (v *vrrpConf) read() ([]lint.Described, error) {
	c := v.config()
	now := confStamp{path: c.path}
	if st, err := os.Stat(c.path); err == nil {
		now.size, now.mod = st.Size(), st.ModTime()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now.read = v.of.read
	if now == v.of && time.Since(v.of.read) < lintEvery {
		return v.list, v.err
	}
	v.list, v.err = lint.Describe(c.path, keepalive.Comm, c.options)
	now.read = time.Now()
	v.of = now
	return v.list, v.err
}

// configured is what package keepalive wants to know.
func (v *vrrpConf) configured() keepalive.Configured {
	list, err := v.read()
	return configuredOf(v.config().path, list, err)
}

func configuredOf(path string, list []lint.Described, err error) keepalive.Configured {
	out := keepalive.Configured{Path: path, Found: len(list) > 0}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		out.Err = err
	}
	for _, d := range list {
		out.Instances = append(out.Instances, keepalive.Instance{Name: d.Name, Interface: d.Interface, VRID: d.VRID, Priority: d.Priority,
			VIPs: prefixes(d), Verdicts: d.Verdicts, Process: d.Process})
	}
	return out
}
