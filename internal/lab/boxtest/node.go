package boxtest

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

// Node is a booted box with what every node has: an address and a resolver.
type Node struct {
	*box.Box
	T        *testing.T
	Patience time.Duration // bounds every wait
}

// Boot starts a box and makes a node of it. It goes when the test ends.
func Boot(t *testing.T, name string) Node {
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
	n := Node{b, t, Patience}
	n.Wire()
	return n
}

// Wire gives the node its address, and a neighbour: the network namespace "peer" at the other end of its wire. Both are gone after a reboot.
func (n Node) Wire() {
	n.T.Helper()
	n.Sh(`ip netns add peer; ip -n peer link set lo up
		ip link add node0 type veth peer name wire netns peer; ip -n peer address add 192.0.2.11/24 dev wire; ip -n peer link set wire up
		ip address add 192.0.2.10/24 dev node0; ip link set node0 up; ip route add default via 192.0.2.1`)
	n.Sh("grep -q $(hostname) /etc/hosts || echo 127.0.1.1 $(hostname) >>/etc/hosts") // no server answers for it
	n.Put("/etc/resolv.conf", []byte("nameserver 192.0.2.53\nsearch example.org\n"), 0o644)
}

// In is the same box for a subtest.
func (n Node) In(t *testing.T) Node { return Node{n.Box, t, n.Patience} }

// Within is the same box with another patience.
func (n Node) Within(d time.Duration) Node { return Node{n.Box, n.T, d} }

// prelude has "not": with "set -e" a command behind a "!" may do as it likes, a function may not.
const prelude = `not() { ! "$@"; }
`

// Try runs a script in the box, for at most a minute, up to its first command that fails. What it wrote is in the
// error too.
func (n Node) Try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(n.T.Context(), time.Minute)
	defer cancel()
	out, err := n.Run(ctx, "/bin/sh", "-ec", prelude+script)
	return strings.TrimSpace(out), err
}

// Sh is Try for a script that has to work.
func (n Node) Sh(script string) string {
	n.T.Helper()
	out, err := n.Try(script)
	if err != nil {
		n.T.Fatal(err)
	}
	return out
}

// Patience is far above what any wait takes. A broken package is given less: what it breaks does not come.
const (
	Patience    = 20 * time.Second
	ForTheWorse = 4 * time.Second
)

// A wait looks again after an eighth of the time that it has taken, within these bounds: each look starts programs, in every box that waits.
const (
	soonest = 50 * time.Millisecond
	latest  = 500 * time.Millisecond
)

// Expect is Try for who wants no output.
func (n Node) Expect(script string) error {
	_, err := n.Try(script)
	return err
}

// Until asks again until a script works. One that ends with 3 says that it never will.
func (n Node) Until(script string) error {
	began, deadline := time.Now(), time.After(n.Patience)
	for {
		out, err := n.Try(script)
		if err == nil {
			return nil
		}
		if strings.Contains(err.Error(), "exit status 3") {
			return fmt.Errorf("%w\n%s", err, out)
		}
		select {
		case <-deadline:
			return fmt.Errorf("after %s: %w\n%s", n.Patience, err, out)
		case <-time.After(min(max(time.Since(began)/8, soonest), latest)):
		}
	}
}

// Put writes a file of the box.
func (n Node) Put(to string, content []byte, mode os.FileMode) {
	n.T.Helper()
	path := n.Path(to)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, content, mode)
	}
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		n.T.Fatal(err)
	}
}

// Copy puts a file of this machine into the box.
func (n Node) Copy(from, to string, mode os.FileMode) {
	n.T.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		n.T.Fatal(err)
	}
	n.Put(to, content, mode)
}

// Give puts a file of this machine at /host of the box and says where it is there.
func (n Node) Give(path string) string {
	n.T.Helper()
	to := filepath.Join(n.Host(), filepath.Base(path))
	if err := os.Link(path, to); err == nil || os.IsExist(err) {
		return "/host/" + filepath.Base(path)
	}
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		n.T.Fatal(err)
	}
	return "/host/" + filepath.Base(path)
}

// Command runs a program of this machine from the root of the repository.
func Command(t *testing.T, env []string, name string, args ...string) string {
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

// Denied finds the kernel's words for EPERM, EACCES and EROFS in the agent's journal: the unit's sandbox takes something from it.
func (n Node) Denied() error {
	out, err := n.Try(`journalctl --no-pager --output=cat --unit=nodeagent.service | grep -iE 'operation not permitted|permission denied|read-only file system' || true`)
	if err == nil && out != "" {
		err = fmt.Errorf("the unit's sandbox takes something from the agent:\n%s", out)
	}
	return err
}
