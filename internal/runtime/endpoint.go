package runtime

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Endpoint is where a CRI runtime listens.
type Endpoint struct {
	Path   string // absolute path of a unix socket; empty: none
	Source string // who named it, for people: "kubelet's --container-runtime-endpoint", "/etc/crictl.yaml" ...
}

// String is the endpoint as kubelet and crictl write it; empty for none.
func (e Endpoint) String() string {
	if e.Path == "" {
		return ""
	}
	return "unix://" + e.Path
}

// maxSocketPath is what fits into sun_path with its end (unix(7)).
const maxSocketPath = 107

// ParseEndpoint reads an endpoint as kubelet and crictl take it: unix:///path, or a bare absolute path. It answers the path. A CRI over
// TCP or a Windows pipe is refused: it is neither protected nor on this node.
func ParseEndpoint(s string) (path string, err error) {
	s = strings.TrimSpace(s)
	path = s
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		path = rest
		if rest, ok := strings.CutPrefix(rest, "//"); ok {
			path = rest
		}
	}
	const want = "want a unix socket such as unix:///run/containerd/containerd.sock"
	switch {
	case path == "":
		return "", fmt.Errorf("endpoint is empty: %s", want)
	case !strings.HasPrefix(path, "/"), strings.ContainsAny(path, "\x00\r\n"):
		return "", fmt.Errorf("endpoint %q: %s", s, want)
	}
	path = filepath.Clean(path)
	if path != strings.TrimSpace(path) {
		return "", fmt.Errorf("endpoint %q: its path ends in a blank", s)
	}
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("endpoint %q: its path has %d bytes, a unix socket's may have %d", s, len(path), maxSocketPath)
	}
	return path, nil
}

// docker reports whether a path is Docker's own socket, or the dockershim's: neither speaks CRI.
func docker(path string) bool {
	base := filepath.Base(path)
	return base == "docker.sock" || base == "dockershim.sock"
}
