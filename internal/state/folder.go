// Package state keeps what must survive the agent: small versioned JSON files under one folder, written atomically with mode 0600.
//
// One agent a folder: Open takes a lock that the kernel drops when the process ends, however it ends. A file of a newer
// version than the reader knows is an error and is left alone; a damaged file is moved aside, so that it is lost to the agent but
// not to a person. A boot id stands beside what is only true for one boot (see BootID).
package state

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrTaken says that another agent has the folder.
var ErrTaken = errors.New("another agent uses this state folder")

// VersionError is a file written by another version of the agent that this one can't read. The file is left as it is.
type VersionError struct {
	Path        string
	Found, Want int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has version %d, this agent reads %d: install the agent that wrote it, or move the file away", e.Path, e.Found, e.Want)
}

// DamagedError is a file that could not be read as state and was moved aside.
type DamagedError struct {
	Path, MovedTo string
	Err           error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged (%v); it was moved to %s and counts as empty", e.Path, e.Err, e.MovedTo)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Folder is an open state folder.
type Folder struct {
	dir      string
	lock     *os.File
	instance string
}

// Open makes the folder (0700) if needed, locks it and reads or makes its instance id. ErrTaken if another process has it for a second; a *VersionError, with
// nothing changed, if a newer agent wrote in it.
func Open(dir string) (*Folder, error) {
	if err := Newer(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	if err := flock(lock); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", dir, ErrTaken)
		}
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	sweep(dir)
	f := &Folder{dir: dir, lock: lock}
	if err := f.identify(); err != nil {
		lock.Close()
		return nil, err
	}
	return f, nil
}

// lockWait is how long Open waits for a lock that another process has. An agent that was killed while it started a helper program
// leaves a child that has the lock until it is that program.
const lockWait = time.Second

func flock(lock *os.File) error {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockWait / 100) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
	}
}

// identity is the content of instance.json. Its id marks every sandbox and container that is ours.
type identity struct {
	ID string `json:"id"`
}

func (f *Folder) identify() error {
	var id identity
	// Peek and not Load: a damaged id stays where it is, for a new one would make strangers of our own pods.
	found, err := Peek(f.dir, "instance", 1, &id)
	if err != nil {
		return fmt.Errorf("%w: put %s back from a copy, or remove it once none of this agent's pods runs", err, f.file("instance"))
	}
	if !found {
		id.ID = newID()
		if err := f.SaveDurable("instance", 1, id); err != nil {
			return err
		}
	}
	if id.ID == "" {
		return fmt.Errorf("%s holds no id", f.Path("instance.json"))
	}
	f.instance = id.ID
	return nil
}

func newID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Instance is the folder's id: 16 hex digits, made once.
func (f *Folder) Instance() string { return f.instance }

// Dir is the folder itself.
func (f *Folder) Dir() string { return f.dir }

// Path is a path inside the folder.
func (f *Folder) Path(elem ...string) string { return Join(f.dir, elem...) }

// Join is a path inside a state folder.
func Join(dir string, elem ...string) string {
	return filepath.Join(append([]string{dir}, elem...)...)
}

// Instance reads the id of a state folder without owning it; empty where there is none.
func Instance(dir string) string {
	var id identity
	if found, err := Peek(dir, "instance", 1, &id); err != nil || !found {
		return ""
	}
	return id.ID
}

// Close gives the lock back.
func (f *Folder) Close() error { return f.lock.Close() }

type envelope struct {
	Version int             `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// Save writes v atomically as NAME.json: a reader, and a crash of the process, find the old or the new content whole. A power cut
// may lose the newest write; SaveDurable waits for the disk. NAME may hold slashes.
func (f *Folder) Save(name string, version int, v any) error { return f.save(name, version, v, false) }

// SaveDurable is Save that returns only when the content is on the disk.
func (f *Folder) SaveDurable(name string, version int, v any) error {
	return f.save(name, version, v, true)
}

func (f *Folder) save(name string, version int, v any, durable bool) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save state %s: %w", name, err)
	}
	b, err := json.Marshal(envelope{Version: version, Data: data})
	if err != nil {
		return fmt.Errorf("save state %s: %w", name, err)
	}
	if err := WriteFile(f.file(name), append(b, '\n'), 0o600, durable); err != nil {
		return fmt.Errorf("save state %s: %w", name, err)
	}
	return nil
}

func (f *Folder) file(name string) string { return f.Path(filepath.FromSlash(name) + ".json") }

// Load reads NAME.json into v. A missing file answers false. A *VersionError leaves the file; a *DamagedError has moved it aside.
func (f *Folder) Load(name string, version int, v any) (found bool, err error) {
	path := f.file(name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("load state %s: %w", name, err)
	}
	err = decode(path, b, version, v)
	var other *VersionError
	if err == nil || errors.As(err, &other) {
		return err == nil, err
	}
	aside := path + ".damaged"
	if renameErr := os.Rename(path, aside); renameErr != nil {
		return false, errors.Join(err, renameErr)
	}
	return false, &DamagedError{Path: path, MovedTo: aside, Err: err}
}

func decode(path string, b []byte, version int, v any) error {
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	if e.Version != version {
		return &VersionError{Path: path, Found: e.Version, Want: version}
	}
	return json.Unmarshal(e.Data, v)
}

// Peek is Load for a process that does not own the folder: it takes no lock and moves nothing.
func Peek(dir, name string, version int, v any) (found bool, err error) {
	path := filepath.Join(dir, filepath.FromSlash(name)+".json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = decode(path, b, version, v)
	}
	if err != nil {
		return false, fmt.Errorf("read state %s: %w", name, err)
	}
	return true, nil
}

// Delete removes NAME.json; one that is not there is no error.
func (f *Folder) Delete(name string) error {
	if err := os.Remove(f.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete state %s: %w", name, err)
	}
	return nil
}

// List names the states directly below a prefix that is a folder ("pods"), as Save took them, sorted.
func (f *Folder) List(prefix string) ([]string, error) { return Names(f.dir, prefix) }

// Names is List for a process that does not own the folder.
func Names(dir, prefix string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(prefix)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list state %s: %w", prefix, err)
	}
	var names []string
	for _, e := range entries {
		if n, ok := strings.CutSuffix(e.Name(), ".json"); ok && e.Type().IsRegular() {
			names = append(names, prefix+"/"+n)
		}
	}
	return names, nil
}
