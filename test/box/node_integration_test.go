//go:build integration

package box

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/lab/box"
)

// node is a booted box with what every node has: an address and a resolver.
type node struct {
	*box.Box
	t        *testing.T
	patience time.Duration // bounds every wait
}

// boot starts a box and makes a node of it. It goes when the test ends.
func boot(t *testing.T, name string) node {
	t.Helper()
	root, err := box.Root(t.Context(), box.CacheDir())
	if err != nil {
		t.Fatalf("%v: run scripts/install-deps.sh test", err)
	}
	b, err := box.Start(t.Context(), name, root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	n := node{b, t, patience}
	n.wire()
	return n
}

// wire gives the node its address, and a neighbour: the network namespace "peer" at the other end of its wire. Both are gone after a reboot.
func (n node) wire() {
	n.t.Helper()
	n.sh(`ip netns add peer; ip -n peer link set lo up
		ip link add node0 type veth peer name wire netns peer; ip -n peer address add 192.0.2.11/24 dev wire; ip -n peer link set wire up
		ip address add 192.0.2.10/24 dev node0; ip link set node0 up; ip route add default via 192.0.2.1`)
	n.sh("grep -q $(hostname) /etc/hosts || echo 127.0.1.1 $(hostname) >>/etc/hosts") // no server answers for it
	n.put("/etc/resolv.conf", []byte("nameserver 192.0.2.53\nsearch example.org\n"), 0o644)
}

// in is the same box for a subtest.
func (n node) in(t *testing.T) node { return node{n.Box, t, n.patience} }

// within is the same box with another patience.
func (n node) within(d time.Duration) node { return node{n.Box, n.t, d} }

// prelude has "not": with "set -e" a command behind a "!" may do as it likes, a function may not.
const prelude = `not() { ! "$@"; }
`

// try runs a script in the box, for at most a minute, up to its first command that fails. What it wrote is in the
// error too.
func (n node) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	out, err := n.Run(ctx, "/bin/sh", "-ec", prelude+script)
	return strings.TrimSpace(out), err
}

// sh is try for a script that has to work.
func (n node) sh(script string) string {
	n.t.Helper()
	out, err := n.try(script)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// patience is far above what any wait takes. A broken package is given less: what it breaks does not come.
const (
	patience    = 20 * time.Second
	forTheWorse = 4 * time.Second
)

// A wait looks again after an eighth of the time that it has taken, within these bounds: each look starts programs, in every box that waits.
const (
	soonest = 50 * time.Millisecond
	latest  = 500 * time.Millisecond
)

// until asks again until a script works. One that ends with 3 says that it never will.
func (n node) until(script string) error {
	began, deadline := time.Now(), time.After(n.patience)
	for {
		out, err := n.try(script)
		if err == nil {
			return nil
		}
		if strings.Contains(err.Error(), "exit status 3") {
			return fmt.Errorf("%w\n%s", err, out)
		}
		select {
		case <-deadline:
			return fmt.Errorf("after %s: %w\n%s", n.patience, err, out)
		case <-time.After(min(max(time.Since(began)/8, soonest), latest)):
		}
	}
}

func (n node) put(to string, content []byte, mode os.FileMode) {
	n.t.Helper()
	path := n.Path(to)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, content, mode)
	}
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n node) copy(from, to string, mode os.FileMode) {
	n.t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		n.t.Fatal(err)
	}
	n.put(to, content, mode)
}

// give puts a file of this machine at /host of the box and says where it is there.
func (n node) give(path string) string {
	n.t.Helper()
	to := filepath.Join(n.Host(), filepath.Base(path))
	if err := os.Link(path, to); err == nil || os.IsExist(err) {
		return "/host/" + filepath.Base(path)
	}
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return "/host/" + filepath.Base(path)
}

// command runs a program of this machine from the root of the repository.
func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// denied finds the kernel's words for EPERM, EACCES and EROFS in the agent's journal: the unit's sandbox takes something from it.
func (n node) denied() error {
	out, err := n.try(`journalctl --no-pager --output=cat --unit=nodeagent.service | grep -iE 'operation not permitted|permission denied|read-only file system' || true`)
	if err == nil && out != "" {
		err = fmt.Errorf("the unit's sandbox takes something from the agent:\n%s", out)
	}
	return err
}
