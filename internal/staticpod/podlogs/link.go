package podlogs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxName is the longest name of a file on Linux.
const maxName = 255

// linkTmp begins the name of a link that is about to replace another.
const linkTmp = ".nodeagent-"

// LinkName is the name under which log shippers look for a container's log, as kubelet builds it (pkg/kubelet/kuberuntime/legacy.go): too
// long a name loses the end of its id.
func LinkName(pod, namespace, container, id string) string {
	n := pod + "_" + namespace + "_" + container + "-" + id
	return n[:min(len(n), maxName-len(logSuffix))] + logSuffix
}

// Link makes the link in dir (0755, made if it is missing) that leads to target, the log file, which need not exist yet. It is atomic and may be
// repeated. A link of that name that leads elsewhere is replaced; anything that is no link is an error and stays.
func Link(dir, target, pod, namespace, container, id string) error {
	err := link(dir, target, LinkName(pod, namespace, container, id))
	if err != nil {
		return fmt.Errorf("link container log: %w", err)
	}
	return nil
}

func link(dir, target, name string) error {
	if name != filepath.Base(name) || !filepath.IsAbs(target) {
		return fmt.Errorf("%q to %q: want a plain name and an absolute path", name, target)
	}
	path := filepath.Join(dir, name)
	err := os.Symlink(target, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		err = os.Symlink(target, path)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	to, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("%s is there and is no link: move it away: %w", path, err)
	}
	if to == target {
		return nil
	}
	tmp := filepath.Join(dir, linkTmp+name[:min(len(name), maxName-len(linkTmp))])
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// Unlink removes the link that Link made. One that is gone, or that leads elsewhere than to target, is left as it is.
func Unlink(dir, target, pod, namespace, container, id string) error {
	path := filepath.Join(dir, LinkName(pod, namespace, container, id))
	if to, err := os.Readlink(path); err != nil || to != target {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove link of container log: %w", err)
	}
	return nil
}

// SweepLinks removes the links in dir that lead nowhere, to below root (the folder of all pods' logs), into the folder of a pod whose UID is ours,
// and names them. Nothing else is removed: not a link of a kubelet, nor one whose target can't be looked at.
func SweepLinks(dir, root string, ours func(uid string) bool) (removed []string, err error) {
	entries, err := readDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sweep links of container logs: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.Type() != fs.ModeSymlink || !strings.HasSuffix(e.Name(), logSuffix) && !strings.HasPrefix(e.Name(), linkTmp) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		to, err := os.Readlink(path)
		if err != nil || !leadsToOurs(to, root, ours) {
			continue
		}
		// An unfinished link is beside one that is whole, wherever it leads.
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(e.Name(), linkTmp) {
			continue
		}
		if err := os.Remove(path); err == nil {
			removed = append(removed, e.Name())
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("sweep links of container logs: %w", err)
	}
	return removed, nil
}

// leadsToOurs reports whether a link's text is a clean path below root, in the folder of a pod of ours.
func leadsToOurs(to, root string, ours func(uid string) bool) bool {
	root = filepath.Clean(root)
	rel, err := filepath.Rel(root, to)
	if err != nil || !filepath.IsAbs(to) || filepath.Clean(to) != to || !filepath.IsLocal(rel) {
		return false
	}
	folder, _, below := strings.Cut(rel, "/")
	_, _, uid, ok := splitFolder(folder)
	return below && ok && ours(uid)
}
