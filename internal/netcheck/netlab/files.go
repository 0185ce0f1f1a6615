package netlab

import (
	"fmt"
	"os"
	"path/filepath"
)

func (h *Host) files() {
	env := fmt.Sprintf("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.%d.1/24\n", h.N)
	if h.lab.o.IPv6 {
		env += fmt.Sprintf("FLANNEL_IPV6_NETWORK=fd44::/48\nFLANNEL_IPV6_SUBNET=fd44:0:0:%d::1/64\n", h.N)
	}
	h.Write("flannel/subnet.env", env+fmt.Sprintf("FLANNEL_MTU=%d\nFLANNEL_IPMASQ=true\n", h.lab.MTU()))
	h.Write("cni/10-flannel.conflist", `{"name":"cbr0","cniVersion":"0.3.1","plugins":[{"type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true}},{"type":"portmap","capabilities":{"portMappings":true}}]}`)
}

// Write writes a file below Dir whole: it is renamed into place.
func (h *Host) Write(name, content string) {
	h.lab.t.Helper()
	path := filepath.Join(h.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.lab.t.Fatal(err)
	}
	temp := filepath.Join(h.Dir, ".new")
	if err := os.WriteFile(temp, []byte(content), 0o644); err != nil {
		h.lab.t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		h.lab.t.Fatal(err)
	}
}

// Read reads a file below Dir.
func (h *Host) Read(name string) string {
	h.lab.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.Dir, name))
	if err != nil {
		h.lab.t.Fatal(err)
	}
	return string(b)
}

// Remove removes a file below Dir.
func (h *Host) Remove(name string) {
	h.lab.t.Helper()
	if err := os.Remove(filepath.Join(h.Dir, name)); err != nil {
		h.lab.t.Fatal(err)
	}
}
