package netcheck

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/view"
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 1 << 20

func readFiles(cfg Config, n *Network) {
	var err error
	if n.SubnetEnv, err = readSubnetEnv(cfg); err != nil {
		n.miss(PartSubnetEnv, err)
	}
	if n.CNI, err = readCNI(cfg.CNIConfDir); err != nil {
		n.miss(PartCNI, err)
	}
	for _, c := range n.CNI {
		if !c.Flannel || c.Name == "" {
			continue
		}
		l, err := readLeases(cfg.CNIDataDir, c.Name)
		if err != nil {
			n.miss(PartLeases, err)
			continue
		}
		n.Leases = append(n.Leases, l)
	}
}

func readLimited(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("read %s: not a file of at most %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

func readSubnetEnv(cfg Config) (SubnetEnv, error) {
	b, err := readLimited(cfg.SubnetEnv)
	if errors.Is(err, os.ErrNotExist) {
		return SubnetEnv{}, nil
	}
	if err != nil {
		return SubnetEnv{}, err
	}
	e := parseSubnetEnv(b)
	if st, err := os.Stat(cfg.SubnetEnv); err == nil {
		e.Written = st.ModTime()
		if boot, ok := bootTime(cfg.Proc); ok { // the clock may have been set since
			e.OldBoot = e.Written.Before(boot.Add(-2 * time.Minute))
		}
	}
	return e, nil
}

// parseSubnetEnv reads what flanneld writes: FLANNEL_NETWORK=, FLANNEL_SUBNET=, FLANNEL_MTU=, FLANNEL_IPMASQ= and the two of IPv6.
func parseSubnetEnv(b []byte) SubnetEnv {
	e := SubnetEnv{Found: true}
	bad := func(key, value string) {
		if e.Problem == "" {
			e.Problem = fmt.Sprintf("%s=%q can't be understood", key, value)
		}
	}
	prefix := func(into *netip.Prefix, key, value string) {
		value, _, _ = strings.Cut(value, ",") // several networks: the first is the cluster's
		p, err := netip.ParsePrefix(value)
		if err != nil {
			bad(key, value)
		}
		*into = p
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		key, value, ok := strings.Cut(strings.TrimSpace(s.Text()), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		value = strings.Trim(value, `"'`)
		switch key {
		case "FLANNEL_NETWORK":
			prefix(&e.Network, key, value)
		case "FLANNEL_SUBNET":
			prefix(&e.Subnet, key, value)
		case "FLANNEL_IPV6_NETWORK":
			prefix(&e.IPv6Network, key, value)
		case "FLANNEL_IPV6_SUBNET":
			prefix(&e.IPv6Subnet, key, value)
		case "FLANNEL_MTU":
			mtu, err := strconv.Atoi(value)
			if err != nil || mtu < 68 || mtu > 65535 {
				bad(key, value)
				mtu = 0
			}
			e.MTU = mtu
		case "FLANNEL_IPMASQ":
			e.IPMasq = value == "true"
		}
	}
	if e.Problem == "" && !e.Subnet.IsValid() && !e.IPv6Subnet.IsValid() {
		e.Problem = "FLANNEL_SUBNET is missing"
	}
	if e.Problem == "" && e.MTU == 0 {
		e.Problem = "FLANNEL_MTU is missing"
	}
	return e
}

func bootTime(proc string) (time.Time, bool) {
	b, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return time.Time{}, false
	}
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			sec, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			return time.Unix(sec, 0), err == nil
		}
	}
	return time.Time{}, false
}

// readCNI reads the folder as a runtime does: *.conf, *.conflist, *.json in the order of their names.
func readCNI(dir string) ([]CNIConfig, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []CNIConfig
	for _, e := range entries {
		if !slices.Contains([]string{".conf", ".conflist", ".json"}, filepath.Ext(e.Name())) || e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		b, err := readLimited(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return out, err
		}
		c := parseCNI(b)
		c.File = path
		out = append(out, c)
	}
	return out, nil
}

// parseCNI reads a network or a network list (CNI specification, section 1).
func parseCNI(b []byte) CNIConfig {
	type plugin struct {
		Type     string `json:"type"`
		Delegate struct {
			Bridge string `json:"bridge"`
		} `json:"delegate"`
	}
	var file struct {
		plugin
		Name    string   `json:"name"`
		Plugins []plugin `json:"plugins"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return CNIConfig{Problem: err.Error()}
	}
	c := CNIConfig{Name: file.Name}
	for _, p := range append(file.Plugins, file.plugin) {
		if p.Type != "flannel" {
			continue
		}
		c.Flannel, c.Bridge = true, p.Delegate.Bridge
		if c.Bridge == "" {
			c.Bridge = "cni0"
		}
	}
	switch {
	case c.Name == "" || c.Name != filepath.Base(c.Name) || c.Name == "." || c.Name == "..":
		c.Name, c.Problem = "", "it has no name that can be a folder's"
	case len(file.Plugins) == 0 && file.Type == "":
		c.Problem = "it has no plugin"
	}
	return c
}

func readLeases(dir, network string) (view.Leases, error) {
	l := view.Leases{Network: network}
	entries, err := os.ReadDir(filepath.Join(dir, network))
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	for _, e := range entries { // host-local writes one file an address; IPv6 with : or, on request, with another sign
		switch a, err := netip.ParseAddr(e.Name()); {
		case err != nil:
		case a.Is4():
			l.IPv4++
		default:
			l.IPv6++
		}
	}
	return l, nil
}
