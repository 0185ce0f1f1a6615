package staticpod

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/staticpod/podlogs"
)

// sweepFrequency is between two looks for links that lead nowhere; the end of a pod asks for one too.
const sweepFrequency = time.Hour

// logs looks after the log files of our pods: rotation, links, and the folders of pods that are gone.
type logs struct {
	p         *Pods
	rotator   *podlogs.Rotator
	collector *podlogs.Collector
	links     *reconcile.Loop
}

func newLogs(p *Pods) logs {
	l := logs{p: p}
	l.rotator = podlogs.NewRotator(podlogs.Deps{Config: l.rotation, Logs: l.running, Reopen: l.reopen, Log: p.d.Log})
	l.collector = podlogs.NewCollector(podlogs.CollectorDeps{Root: p.d.Config().LogsDir, Config: l.keeping, Store: p.d.Store, Live: l.live, Log: p.d.Log})
	l.links = reconcile.NewLoop(l.sweep, reconcile.Options{Name: "pod log links", OnError: p.passError})
	return l
}

func (l *logs) tasks() []Task {
	out := []Task{l.rotator, l.collector}
	if l.p.d.Config().LogLinksDir != "" {
		out = append(out, l.links)
	}
	return out
}

func (l *logs) rotation() podlogs.Config {
	cfg := l.p.d.Config()
	return podlogs.Config{MaxSize: cfg.LogMaxSize, MaxFiles: cfg.LogMaxFiles}
}

// keeping of removed pods' logs. The collector takes a zero for its default; here it means none.
func (l *logs) keeping() podlogs.KeepConfig {
	cfg := l.p.d.Config()
	return podlogs.KeepConfig{Keep: max(cfg.RemovedLogsKeep, time.Nanosecond), MaxBytes: max(cfg.RemovedLogsMaxSize, 1)}
}

// running are the logs of our containers that run.
func (l *logs) running() []podlogs.Log {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	var out []podlogs.Log
	for _, x := range l.p.pods {
		for id, c := range x.statuses {
			if c.State == Running && c.LogPath != "" {
				out = append(out, podlogs.Log{ContainerID: id, Path: c.LogPath})
			}
		}
	}
	return out
}

func (l *logs) reopen(ctx context.Context, id string) error {
	if _, err := l.p.d.CRI.ReopenContainerLog(ctx, &cri.ReopenContainerLogRequest{ContainerId: id}); err != nil {
		return fmt.Errorf("reopen log: %w", err)
	}
	return nil
}

// live reports whether a pod of ours has this UID. One that is being cleaned up has it no more: its logs are the collector's from then on.
func (l *logs) live(uid string) bool {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for _, x := range l.p.pods {
		if x.memory.UID == uid && x.ops[sandboxSlot].Verb != Cleanup {
			return true
		}
	}
	return false
}

// link makes the link to a container's log that log shippers look for. What can't be linked is said, and runs all the same.
func (l *logs) link(x *pod, c Container) {
	dir := l.p.d.Config().LogLinksDir
	if dir == "" || c.LogPath == "" || l.p.looking {
		return
	}
	ns, name := splitKey(x.key)
	if err := podlogs.Link(dir, c.LogPath, manifest.NodePodName(name, l.p.d.Config().NodeName), ns, c.Name, c.ID); err != nil {
		l.p.note(x, "link the log of "+c.Name, err)
	}
}

func (l *logs) unlink(m Memory, container, id, path string) {
	if dir := l.p.d.Config().LogLinksDir; dir != "" {
		if err := podlogs.Unlink(dir, path, m.FullName, m.Namespace, container, id); err != nil {
			l.p.d.Log.Debug("remove log link", zap.Error(err)) // the sweep takes it when it leads nowhere
		}
	}
}

// started removes what is left of attempts before the last but one: their containers went with their sandbox, or will go.
func (l *logs) started(dir string, attempt uint32) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		number, _, ok := strings.Cut(e.Name(), ".log")
		n, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil || uint32(n)+1 >= attempt {
			continue
		}
		if err := podlogs.RemoveAttempt(filepath.Join(dir, number+".log")); err != nil {
			l.p.d.Log.Warn("remove an old attempt's log", zap.Error(err))
			return
		}
		l.links.Wake()
	}
}

// removed hands the log folder of a pod that is gone to the collector, and takes its links away.
func (l *logs) removed(m Memory) error {
	cfg := l.p.d.Config()
	dir := logDir(cfg.LogsDir, identity{Namespace: m.Namespace, Name: m.Name, FullName: m.FullName, UID: m.UID})
	if _, err := os.Lstat(dir); err == nil {
		if err := l.collector.Record(m.UID, dir); err != nil {
			return err
		}
	}
	entries, _ := os.ReadDir(cfg.LogLinksDir)
	for _, e := range entries {
		path := filepath.Join(cfg.LogLinksDir, e.Name())
		if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, dir+"/") {
			_ = os.Remove(path) // one that stays leads to logs that are kept for a while
		}
	}
	return nil
}

func (l *logs) sweep(context.Context) (time.Time, error) {
	cfg := l.p.d.Config()
	_, err := podlogs.SweepLinks(cfg.LogLinksDir, filepath.Clean(cfg.LogsDir), l.live)
	return time.Now().Add(sweepFrequency), err
}
