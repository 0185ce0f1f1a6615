package component

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// kubeletPrograms are where packages and people put it. The path that a process claims to have is not taken: anybody may claim one, and the agent is root.
var kubeletPrograms = []string{"/usr/bin/kubelet", "/usr/local/bin/kubelet", "/opt/bin/kubelet"}

// versionDeadline ends a program that does not tell its version, and versionRetry is when it is asked again.
const (
	versionDeadline = 5 * time.Second
	versionRetry    = 10 * time.Minute
)

// programVersion asks a program for its version, once for each that is put there.
type programVersion struct {
	paths   []string // empty: kubeletPrograms
	path    string
	changed time.Time
	asked   time.Time
	version string
}

// of is the version of the first of the programs; empty: not known.
func (v *programVersion) of(ctx context.Context, now time.Time) string {
	paths := v.paths
	if len(paths) == 0 {
		paths = kubeletPrograms
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil || info.IsDir() {
			continue
		}
		if p == v.path && info.ModTime().Equal(v.changed) && (v.version != "" || now.Sub(v.asked) < versionRetry) {
			return v.version
		}
		v.path, v.changed, v.asked, v.version = p, info.ModTime(), now, ""
		if rootsAlone(p) == nil {
			v.version = askVersion(ctx, p)
		}
		return v.version
	}
	return ""
}

// askVersion runs "kubelet --version", which prints "Kubernetes v1.34.1" and does nothing else.
func askVersion(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, versionDeadline)
	defer cancel()
	c := exec.CommandContext(ctx, program, "--version")
	c.Env = []string{}
	c.WaitDelay = time.Second
	out, err := c.Output()
	words := strings.Fields(string(out[:min(len(out), 200)]))
	if err != nil || len(words) != 2 || words[0] != "Kubernetes" {
		return ""
	}
	return words[1]
}

var errOthers = errors.New("others than root may change it")

// rootsAlone fails for a program that others than root may change, or may put another one in its place.
func rootsAlone(program string) error {
	real, err := filepath.EvalSymlinks(program)
	if err != nil {
		return err
	}
	for p := real; ; p = filepath.Dir(p) {
		info, err := os.Lstat(p)
		if err != nil {
			return err
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok || owner.Uid != 0 || info.Mode()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return errOthers
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}
