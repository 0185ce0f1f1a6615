package podlogs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// PodLog is the log folder of one pod.
type PodLog struct {
	Namespace, Name, UID string // Name as the runtime has it: a static pod's ends in the node's name
	Dir                  string
	Containers           []ContainerLog // by name
}

// ContainerLog is the log folder of one container.
type ContainerLog struct {
	Name, Dir string
	Attempts  []Attempt // oldest first; empty before the first start
}

// Attempt is what one run of a container left.
type Attempt struct {
	Number uint32
	Path   string    // of its current file, which need not exist
	Files  int       // rotated ones too
	Bytes  int64     // of all files, as they are on disk
	Newest time.Time // the last write
}

// newest write of a pod's containers.
func (p PodLog) newest() time.Time {
	var t time.Time
	for _, c := range p.Containers {
		for _, a := range c.Attempts {
			if a.Newest.After(t) {
				t = a.Newest
			}
		}
	}
	return t
}

// Find lists the log folders below root of a pod, that which was written last first: a pod that was made anew under another UID has several. Empty
// for namespace or name means any. A root that does not exist has none.
func Find(root, namespace, name string) ([]PodLog, error) {
	entries, err := readDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list pod logs: %w", err)
	}
	var out []PodLog
	for _, e := range entries {
		ns, pod, uid, ok := splitFolder(e.Name())
		if !ok || !e.IsDir() || namespace != "" && ns != namespace || name != "" && pod != name {
			continue
		}
		p := PodLog{Namespace: ns, Name: pod, UID: uid, Dir: filepath.Join(root, e.Name())}
		if p.Containers, err = containers(p.Dir); err != nil {
			return nil, fmt.Errorf("list logs of pod %s/%s: %w", ns, pod, err)
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b PodLog) int {
		return cmp.Or(b.newest().Compare(a.newest()), cmp.Compare(a.Dir, b.Dir))
	})
	return out, nil
}

func containers(dir string) ([]ContainerLog, error) {
	entries, err := readDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // removed meanwhile
	}
	if err != nil {
		return nil, err
	}
	var out []ContainerLog
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		c := ContainerLog{Name: e.Name(), Dir: filepath.Join(dir, e.Name())}
		files, err := list(c.Dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		c.Attempts = attempts(c.Dir, files)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b ContainerLog) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// attempts sums up files that are in order.
func attempts(dir string, files []file) []Attempt {
	var out []Attempt
	for _, f := range files {
		if len(out) == 0 || out[len(out)-1].Number != f.attempt {
			out = append(out, Attempt{Number: f.attempt, Path: filepath.Join(dir, strconv.FormatUint(uint64(f.attempt), 10)+logSuffix)})
		}
		a := &out[len(out)-1]
		a.Files++
		a.Bytes += f.info.Size()
		if t := f.info.ModTime(); t.After(a.Newest) {
			a.Newest = t
		}
	}
	return out
}

// Restored is the highest attempt of which a container's log folder has a file, so that attempts and restart counts go on where the runtime
// lost its state. found is false where there is none, or no folder. With an error nothing is known: a start must not write over an old log.
func Restored(dir string) (attempt uint32, found bool, err error) {
	files, err := listAll(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("find the last attempt: %w", err)
	}
	if len(files) == 0 {
		return 0, false, nil
	}
	return files[len(files)-1].attempt, true, nil
}
