package staticpod

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/manifest"
)

// keptVersion is the version of folder.Kept and folder.Last on disk. Another version counts as nothing kept.
const keptVersion = 1

// readBound is how long a reading of the folder may take before the folder counts as hung.
const readBound = 3 * time.Second

// source reads the manifest folder and says what is wanted. Events of the folder wake it; fileCheckFrequency makes it right.
type source struct {
	p          *Pods
	loop       *reconcile.Loop
	newWatcher func() (*fsnotify.Watcher, error) // replaced where a test has no use for events

	kept    folder.Kept
	listed  folder.Listing      // the last reading that came back
	reading chan folder.Listing // not nil while a reading that did not come back in time is out
	retries int                 // in a row, for a file that is being written
	pruning atomic.Bool

	mu      sync.Mutex
	watcher *fsnotify.Watcher
	watched string
	blind   error // why there are no events
}

func newSource(p *Pods) (*source, error) {
	s := &source{p: p, newWatcher: func() (*fsnotify.Watcher, error) { return fsnotify.NewBufferedWatcher(64) }}
	s.loop = reconcile.NewLoop(s.do, reconcile.Options{Name: "manifest folder", OnError: p.passError})
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *source) prune() {
	s.pruning.Store(true)
	s.loop.Wake()
}

func (s *source) parse(file string, b []byte) manifest.Result {
	return manifest.Parse(file, b, manifest.Options{NodeName: s.p.d.Config().NodeName, Mode: manifest.Run})
}

func (s *source) load() error {
	store := s.p.d.Store
	if _, err := store.Load("folder", keptVersion, &s.kept); err != nil {
		s.p.d.Log.Warn("what is known of the manifest folder can't be read", zap.Error(err))
	}
	names, err := store.List("manifests")
	if err != nil {
		return err
	}
	s.kept.Files = map[string]folder.Last{}
	for _, name := range names {
		var l folder.Last
		if found, err := store.Load(name, keptVersion, &l); err != nil {
			s.p.d.Log.Warn("a last good manifest can't be read", zap.Error(err))
		} else if found && l.File != "" {
			s.kept.Files[l.File] = l
		}
	}
	s.kept = folder.Restore(s.kept, s.parse)
	return nil
}

func lastName(file string) string {
	h := sha256.Sum256([]byte(file))
	return "manifests/" + hex.EncodeToString(h[:8])
}

// save writes what changed.
func (s *source) save(next folder.Kept) error {
	store, errs := s.p.d.Store, []error{}
	for name, l := range next.Files {
		if old, ok := s.kept.Files[name]; !ok || !old.Same(l) {
			errs = append(errs, store.Save(lastName(name), keptVersion, l))
		}
	}
	for name := range s.kept.Files {
		if _, ok := next.Files[name]; !ok {
			errs = append(errs, store.Delete(lastName(name)))
		}
	}
	if !s.kept.SameFolder(next) {
		errs = append(errs, store.Save("folder", keptVersion, next))
	}
	return errors.Join(errs...)
}

// read lists the folder beside a deadline: a dead mount must not hold the loop.
func (s *source) read(path string) (folder.Listing, bool) {
	if s.reading == nil {
		s.reading = make(chan folder.Listing, 1)
		out := s.reading
		prev := s.listed
		go func() { out <- folder.Reread(prev, path, time.Now()) }()
	}
	select {
	case l := <-s.reading:
		s.reading, s.listed = nil, l
		return l, true
	case <-time.After(readBound):
		return folder.Listing{Path: path, Err: fmt.Errorf("read manifest folder: no answer from the file system of %s in %s", path, readBound)}, false
	}
}

func (s *source) do(ctx context.Context) (time.Time, error) {
	cfg := s.p.d.Config()
	s.watch(cfg.Path)
	listing, _ := s.read(cfg.Path)
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	now := time.Now()
	prune, held := s.pruning.Swap(false), s.kept.Held()
	again, err := s.take(listing, prune, now)
	if prune && held {
		s.p.d.Record(event.Event{Kind: event.KindPod, Reason: "Pruned", Message: "a person let go the pods whose manifests are gone"})
	}
	at := now.Add(cfg.FileCheckFrequency)
	if s.retries++; listing.Retry <= 0 {
		s.retries = 0
	} else { // what is open for long is looked at less and less often, down to once a second
		at = earliest(at, now.Add(min(listing.Retry<<min(s.retries/8, 10), time.Second)))
	}
	if again > 0 {
		at = earliest(at, now.Add(again))
	}
	return at, err
}

// look reads the folder once, without watching it.
func (s *source) look() {
	listing, _ := s.read(s.p.d.Config().Path)
	_, _ = s.take(listing, false, time.Now()) // its error is of writing, and this writes nothing
}

// take makes what is wanted of a reading, writes it down, and hands it on. again, above 0, is when the next reading is due.
func (s *source) take(l folder.Listing, prune bool, now time.Time) (again time.Duration, err error) {
	next, desired := folder.Next(s.kept, l, folder.Options{Boot: s.p.d.Boot, Prune: prune, Parse: s.parse, Now: now})
	err = s.save(next)
	s.kept = next
	s.publish(&desired)
	return desired.Again, err
}

// publish hands the outcome on and wakes the pods it concerns.
func (s *source) publish(d *folder.Desired) {
	old := s.p.desired.Swap(d)
	s.p.publishFolder(d, s.noEvents())
	if old == nil {
		s.p.full.Wake()
		return
	}
	changed := changedObjects(old.Objects, d.Objects)
	for key, w := range d.Pods {
		s.p.refer(key, w, changed)
		was, ok := old.Pods[key]
		if !ok || was.Pod.Hash != w.Pod.Hash || was.Stance != w.Stance || was.File != w.File {
			s.p.wake(key)
		}
	}
	for key := range old.Pods {
		if _, ok := d.Pods[key]; !ok {
			s.p.wake(key)
		}
	}
}

// changedObjects are those whose content is another one, or that came or went.
func changedObjects(old, now map[manifest.ObjectKey]manifest.Object) map[manifest.ObjectKey]bool {
	out := map[manifest.ObjectKey]bool{}
	for k, o := range now {
		if was, ok := old[k]; !ok || was.Hash != o.Hash {
			out[k] = true
		}
	}
	for k := range old {
		if _, ok := now[k]; !ok {
			out[k] = true
		}
	}
	return out
}

// refer has a pod look at its volumes again, and try again what failed, where it reads what changed.
func (p *Pods) refer(key string, w folder.Wanted, changed map[manifest.ObjectKey]bool) {
	if len(changed) == 0 || w.Pod.Spec == nil || !slices.ContainsFunc(manifest.References(w.Pod.Spec), func(r manifest.Reference) bool { return changed[r.Key] }) {
		return
	}
	p.mu.Lock()
	x := p.pod(key)
	x.refresh, x.failures = true, map[Slot]Failure{}
	p.mu.Unlock()
	p.wake(key)
}

// watch keeps a watch on the folder, or on what will tell that it comes to be.
func (s *source) watch(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watcher == nil {
		if s.watcher, s.blind = s.newWatcher(); s.blind != nil {
			s.watcher = nil
			return
		}
		go s.listen(s.watcher)
	}
	if s.watched != path {
		for _, w := range s.watcher.WatchList() {
			_ = s.watcher.Remove(w)
		}
		s.watched = path
	}
	s.blind = s.watcher.Add(path)         // again each time: a folder made again is another one
	_ = s.watcher.Add(filepath.Dir(path)) // only the folder itself has to be watched
}

func (s *source) listen(w *fsnotify.Watcher) {
	for {
		select {
		case _, ok := <-w.Events:
			if !ok {
				return
			}
			s.loop.Wake()
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
			s.loop.Wake()
		}
	}
}

// noEvents is why events of the folder are not to be had; nil while they are.
func (s *source) noEvents() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blind
}

// Run reads until ctx ends.
func (s *source) Run(ctx context.Context) error {
	err := s.loop.Run(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watcher != nil {
		s.watcher.Close()
		s.watcher, s.watched = nil, ""
	}
	return err
}

func (s *source) Ready() <-chan struct{} { return s.loop.Ready() }
func (s *source) Beat() time.Time        { return s.loop.Beat() }
func (s *source) Bound() time.Duration   { return s.loop.Bound() }
func (s *source) String() string         { return s.loop.String() }
