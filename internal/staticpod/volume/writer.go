package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Names of a written volume, the same as kubelet's (pkg/volume/util/atomic_writer.go), since programs watch ..data for changes.
const (
	dataLink = "..data"
	dataNext = "..data_tmp"
	stampFmt = "..2006_01_02_15_04_05"
)

// writer fills one volume's folder with files that change all at once:
//
//	NAME           -> ..data/NAME   what containers open
//	..data         -> ..STAMP       swapped by one rename
//	..STAMP/...    the files
//
// All of it goes through an os.Root: whatever lies in the folder, nothing outside is read or written.
type writer struct {
	root *os.Root
	gid  *int64 // group of all that is written
}

// write makes the folder hold these files and no others, and says whether that changed anything that a reader sees. Equal content is left
// untouched. After an error or a crash at any point readers still see the old files or already the new ones.
func write(dir string, files payload, gid *int64) (changed bool, err error) {
	if err := files.check(); err != nil {
		return false, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	w := writer{root: root, gid: gid}
	files = w.modes(files)
	current := w.current()
	if current == "" || !w.holds(current, files) {
		if current, err = w.swap(files); err != nil {
			return false, err
		}
		changed = true
	}
	linked, err := w.links(files)
	return changed || linked, errors.Join(err, w.tidy(current))
}

// modes with what the group may do: read (kubelet's mask for volumes that are read-only).
func (w writer) modes(files payload) payload {
	if w.gid == nil {
		return files
	}
	out := payload{}
	for name, f := range files {
		out[name] = file{f.data, f.mode | 0o440}
	}
	return out
}

// current is the folder that ..data leads to, "" if there is none or the link is not one of ours.
func (w writer) current() string {
	to, err := w.root.Readlink(dataLink)
	if err != nil || !strings.HasPrefix(to, "..") || strings.Contains(to, "/") || len(to) < 3 {
		return ""
	}
	if st, err := w.root.Lstat(to); err != nil || !st.IsDir() {
		return ""
	}
	return to
}

// holds compares what lies in a folder with the files wanted: names, content, mode and group.
func (w writer) holds(dir string, files payload) bool {
	left := maps.Clone(files)
	err := fs.WalkDir(w.root.FS(), dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if w.gid != nil && groupID(st) != *w.gid {
			return fs.ErrInvalid
		}
		if d.IsDir() {
			return nil
		}
		want, ok := left[strings.TrimPrefix(p, dir+"/")]
		if !ok || !st.Mode().IsRegular() || st.Size() != int64(len(want.data)) {
			return fs.ErrInvalid
		}
		data, err := w.root.ReadFile(p)
		if err != nil {
			return err
		}
		if !want.equal(file{data, uint32(st.Mode().Perm())}) {
			return fs.ErrInvalid
		}
		delete(left, strings.TrimPrefix(p, dir+"/"))
		return nil
	})
	return err == nil && len(left) == 0
}

// swap writes the files into a new folder and makes ..data lead to it.
func (w writer) swap(files payload) (string, error) {
	dir := fmt.Sprintf("%s.%010d", time.Now().UTC().Format(stampFmt), rand.Uint32())
	err := w.fill(dir, files)
	if err == nil {
		// A link of a swap that was cut short, or whatever else stands there, never leads anywhere yet.
		if err = w.root.RemoveAll(dataNext); err == nil {
			err = w.root.Symlink(dir, dataNext)
		}
	}
	if err == nil {
		if st, serr := w.root.Lstat(dataLink); serr == nil && st.Mode()&fs.ModeSymlink == 0 {
			err = w.root.RemoveAll(dataLink) // rename would refuse to replace a folder
		}
	}
	if err == nil {
		err = w.root.Rename(dataNext, dataLink)
	}
	if err != nil {
		return "", errors.Join(err, w.root.RemoveAll(dir))
	}
	return dir, nil
}

func (w writer) fill(dir string, files payload) error {
	if err := w.folder(dir); err != nil {
		return err
	}
	made := map[string]bool{".": true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var missing []string
		for d := path.Dir(name); !made[d]; d = path.Dir(d) {
			missing = append(missing, d)
			made[d] = true
		}
		for _, d := range slices.Backward(missing) {
			if err := w.folder(path.Join(dir, d)); err != nil {
				return err
			}
		}
		if err := w.file(path.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// folder is 0755 whatever the umask, so that a container that is not root can read below.
func (w writer) folder(name string) error {
	if err := w.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return w.folderMode(name)
}

// folderMode changes nothing that is right already: a container may be watching the folder.
func (w writer) folderMode(name string) error {
	st, err := w.root.Lstat(name)
	if err != nil {
		return err
	}
	mode := fs.ModeDir | 0o755
	if w.gid != nil {
		if groupID(st) != *w.gid {
			if err := w.root.Lchown(name, -1, int(*w.gid)); err != nil {
				return err
			}
		}
		mode |= fs.ModeSetgid
	}
	if st.Mode() == mode {
		return nil
	}
	return w.root.Chmod(name, mode)
}

func (w writer) file(name string, f file) error {
	out, err := w.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(f.data)
	if w.gid != nil && err == nil {
		err = out.Chown(-1, int(*w.gid))
	}
	if err == nil {
		err = out.Chmod(fs.FileMode(f.mode))
	}
	return errors.Join(err, out.Close())
}

// links makes the names that containers open. A new name appears after its content and one that is gone goes after it.
func (w writer) links(files payload) (changed bool, err error) {
	if err := w.folderMode("."); err != nil {
		return false, err
	}
	wanted := map[string]bool{}
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		wanted[top] = true
	}
	for top := range wanted {
		to := dataLink + "/" + top
		if had, err := w.root.Readlink(top); err == nil && had == to {
			continue
		}
		if err := w.root.RemoveAll(top); err != nil {
			return changed, err
		}
		if err := w.root.Symlink(to, top); err != nil {
			return changed, err
		}
		changed = true
	}
	entries, err := fs.ReadDir(w.root.FS(), ".")
	if err != nil {
		return changed, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") || wanted[e.Name()] || e.Type() != fs.ModeSymlink {
			continue
		}
		if to, err := w.root.Readlink(e.Name()); err != nil || !strings.HasPrefix(to, dataLink+"/") {
			continue
		}
		if err := w.root.Remove(e.Name()); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// tidy removes the folders of earlier content, also those of writes that were cut short.
func (w writer) tidy(current string) error {
	entries, err := fs.ReadDir(w.root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != current && e.Name() != dataLink && strings.HasPrefix(e.Name(), "..") {
			errs = append(errs, w.root.RemoveAll(e.Name()))
		}
	}
	return errors.Join(errs...)
}
