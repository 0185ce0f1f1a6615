package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Version is what a binary says of itself.
type Version struct {
	Program string // runc, crun ...; empty: it did not say
	Version string // without a leading v
	ELF     bool   // a program; false: a script around one, of which no behaviour can be foretold
	Err     error  // it could not be asked; ErrHung: it did not answer in time
}

// ErrHung says that a binary did not answer --version in time.
var ErrHung = errors.New("did not answer in time")

// identity tells one content of a file from the next.
type identity struct {
	dev, ino uint64
	size     int64
	mtime    time.Time
}

// Versions asks binaries for their versions and remembers the answers for as long as the file is the same one. The zero value is ready.
type Versions struct {
	mu    sync.Mutex
	known map[string]known
}

type known struct {
	id identity
	v  Version
}

// Get is the version that the binary at path prints with the given argument (--version, -v). It takes at most the timeout. An answer is kept
// until the file is another one; a failure is not kept.
func (v *Versions) Get(ctx context.Context, path, arg string, timeout time.Duration) Version {
	id, err := identify(path)
	if err != nil {
		return Version{Err: err}
	}
	v.mu.Lock()
	k, ok := v.known[path+" "+arg]
	v.mu.Unlock()
	if ok && k.id == id {
		return k.v
	}
	got := ask(ctx, path, arg, timeout)
	if got.Err == nil {
		v.mu.Lock()
		if v.known == nil {
			v.known = map[string]known{}
		}
		v.known[path+" "+arg] = known{id, got}
		v.mu.Unlock()
	}
	return got
}

func identify(path string) (identity, error) {
	st, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, fmt.Errorf("%s: no inode", path)
	}
	return identity{uint64(sys.Dev), sys.Ino, st.Size(), st.ModTime()}, nil
}

func ask(ctx context.Context, path, arg string, timeout time.Duration) Version {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, arg)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + DefaultPath, "LC_ALL=C"}
	// A group of its own: a wrapper's children end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &limited{w: &out, left: 64 << 10}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return Version{Err: fmt.Errorf("%s %s: %w (%v)", path, arg, ErrHung, timeout)}
	case err != nil:
		return Version{Err: fmt.Errorf("%s %s: %w", path, arg, err)}
	}
	v := Parse(out.String())
	if v.Version == "" {
		v.Err = fmt.Errorf("%s %s: no version in what it printed", path, arg)
	}
	v.ELF = isELF(path)
	return v
}

// limited takes no more than it should and throws the rest away.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	_, err := l.w.Write(b[:n])
	return len(b), err
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}

var (
	versionLine = regexp.MustCompile(`(?m)^(?:([A-Za-z][\w.-]*) version|[ \t]+Version:)[ \t]+([\w.+~:-]+)`)
	numbers     = regexp.MustCompile(`^v?(\d+)\.(\d+)(?:\.(\d+))?`)
)

// Parse reads what runc, crun, youki and runsc print for --version ("runc version 1.1.5"), and containerd's shims for -v ("  Version:  1.6.20").
// A version need not be a number: runsc calls its own release-20240513.0, and crun made from a tree without tags UNKNOWN.
func Parse(out string) Version {
	m := versionLine.FindStringSubmatch(out)
	if m == nil {
		return Version{}
	}
	v := Version{Program: m[1], Version: m[2]}
	if numbers.MatchString(v.Version) {
		v.Version = strings.TrimPrefix(v.Version, "v")
	}
	return v
}

// Compare orders two versions by their first three numbers; ok is false where one has none.
func Compare(a, b string) (order int, ok bool) {
	x, y := numbers.FindStringSubmatch(strings.TrimSpace(a)), numbers.FindStringSubmatch(strings.TrimSpace(b))
	if x == nil || y == nil {
		return 0, false
	}
	for i := 1; i <= 3; i++ {
		p, q := number(x[i]), number(y[i])
		if p != q {
			return p - q, true
		}
	}
	return 0, true
}

func number(s string) int {
	n := 0
	for _, c := range s {
		n = min(n*10+int(c-'0'), 1<<20)
	}
	return n
}
