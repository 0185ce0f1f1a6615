package lint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Host is what the rules may know of the node. A nil field is not known, and a rule that needs it says so.
type Host struct {
	Addresses []netip.Addr                             // of this node, without VIPs that it may hold
	Stat      func(path string) (FileFacts, error)     // of what a path leads to
	Resolve   func(path string) (string, error)        // the path without symbolic links
	Read      func(path string) (text string, _ error) // the first 64 KiB of a small file
	HasUser   func(name string) (bool, error)
}

// FileFacts are of one file.
type FileFacts struct {
	Mode fs.FileMode
	UID  uint32
	GID  uint32
}

const maxScript = 64 << 10

// ReadHost is the Host of this machine, with files below root ("" is /). Addresses are left to the caller where root is another's.
func ReadHost(root string) Host {
	at := func(p string) string { return filepath.Join("/", root, p) }
	h := Host{
		Stat: func(p string) (FileFacts, error) {
			st, err := os.Stat(at(p))
			if err != nil {
				return FileFacts{}, cause(err)
			}
			f := FileFacts{Mode: st.Mode()}
			if sys, ok := st.Sys().(*syscall.Stat_t); ok {
				f.UID, f.GID = sys.Uid, sys.Gid
			}
			return f, nil
		},
		Resolve: func(p string) (string, error) {
			out, err := filepath.EvalSymlinks(at(p))
			if err != nil {
				return "", cause(err)
			}
			return "/" + strings.TrimPrefix(strings.TrimPrefix(out, filepath.Join("/", root)), "/"), nil
		},
		Read: func(p string) (string, error) {
			if st, err := os.Stat(at(p)); err != nil || !st.Mode().IsRegular() {
				return "", errors.Join(cause(err), fmt.Errorf("%s is no file that can be read", p))
			}
			f, err := os.Open(at(p))
			if err != nil {
				return "", cause(err)
			}
			defer f.Close()
			b, err := io.ReadAll(io.LimitReader(f, maxScript))
			return string(b), err
		},
		HasUser: func(name string) (bool, error) { return hasUser(at("/etc/passwd"), name) },
	}
	if filepath.Join("/", root) == "/" {
		h.Addresses = ownAddresses()
	}
	return h
}

// hasUser looks into passwd alone: a directory service may know more users.
func hasUser(passwd, name string) (bool, error) {
	f, err := os.Open(passwd)
	if err != nil {
		return false, cause(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if user, _, ok := strings.Cut(lines.Text(), ":"); ok && user == name {
			return true, nil
		}
	}
	return false, lines.Err()
}

func ownAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out
}
