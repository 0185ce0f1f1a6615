package netcheck

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// NetManager is a program that is known to take Flannel's devices, routes or rules away where nobody told it not to. It is read only where it runs.
type NetManager struct {
	Name string `json:"name"`

	// Managed has, for each of Flannel's devices, the pods' bridge and ends, and the uplink that the program holds for its own, the file that
	// says so; empty: it holds the device without one.
	Managed map[string]string `json:"managed,omitempty"`
	// KeepsForeignRoutes is systemd-networkd's ManageForeignRoutes=no.
	KeepsForeignRoutes bool `json:"keepsForeignRoutes,omitempty"`

	Firewall Firewall `json:"firewall,omitzero"` // of firewalld
}

// Firewall are the permanent settings of firewalld: those that hold after its next start or reload.
type Firewall struct {
	File        string `json:"file,omitempty"` // the main one
	IPTables    bool   `json:"iptables,omitempty"`
	KeepsOthers bool   `json:"keepsOthers,omitempty"` // FlushAllOnReload=no
	DefaultZone string `json:"defaultZone,omitempty"`
	Zones       []Zone `json:"zones,omitempty"`
	// Others: it has policies or direct rules, which are not read.
	Others bool `json:"others,omitempty"`
}

// Zone is one of firewalld's.
type Zone struct {
	Name       string   `json:"name"`
	Accepts    bool     `json:"accepts,omitempty"` // target ACCEPT
	Forwards   bool     `json:"forwards,omitempty"`
	Interfaces []string `json:"interfaces,omitempty"`
	Sources    []string `json:"sources,omitempty"`
}

// The programs, by the names of their units.
const (
	networkManager = "NetworkManager"
	networkd       = "systemd-networkd"
	firewalld      = "firewalld"
)

// readManagers reads what the programs that run have in hand. What can't be read is PartManagers.
func readManagers(cfg Config, n *Network) {
	at := func(parts ...string) string { return filepath.Join(append([]string{cfg.root}, parts...)...) }
	for _, name := range []string{networkManager, networkd, firewalld} {
		// The group of a unit is there while one of its processes is; the second path is that of cgroup v1.
		if !exists(at("sys/fs/cgroup/system.slice", name+".service")) && !exists(at("sys/fs/cgroup/systemd/system.slice", name+".service")) {
			continue
		}
		m := NetManager{Name: name}
		var err error
		switch name {
		case networkManager:
			m.Managed, err = heldLinks(n, at("run/NetworkManager/devices"), func(s settings) (string, bool) { return "", s["managed"] == "true" })
		case networkd:
			m.Managed, err = heldLinks(n, at("run/systemd/netif/links"), func(s settings) (string, bool) {
				return s["NETWORK_FILE"], s["NETWORK_FILE"] != "" && s["ADMIN_STATE"] != "unmanaged"
			})
			if err == nil {
				m.KeepsForeignRoutes, err = keepsForeignRoutes(at)
			}
		case firewalld:
			m.Firewall, err = readFirewalld(at)
		}
		if err != nil {
			n.miss(PartManagers, fmt.Errorf("%s: %w", name, err))
			continue
		}
		n.Managers = append(n.Managers, m)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// heldLinks asks the file that a manager keeps for each device, named by its index.
func heldLinks(n *Network, dir string, held func(settings) (file string, ok bool)) (map[string]string, error) {
	up := uplink(n)
	out := map[string]string{}
	for _, l := range n.Links {
		if !flannelDevice(l.Name) && l.Kind != "bridge" && !podVeth.MatchString(l.Name) && l.Index != up.Index {
			continue
		}
		b, err := readLimited(filepath.Join(dir, strconv.Itoa(l.Index)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if file, ok := held(parseSettings(string(b))); ok {
			out[l.Name] = file
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// keepsForeignRoutes reads networkd.conf and its drop-ins, the last of which holds.
func keepsForeignRoutes(at func(...string) string) (bool, error) {
	files := []string{at("etc/systemd/networkd.conf")}
	dropIns := map[string]string{}
	for _, dir := range []string{"usr/lib", "usr/local/lib", "run", "etc"} { // each hides files of the same name in those before it
		list, _ := filepath.Glob(at(dir, "systemd/networkd.conf.d/*.conf"))
		for _, f := range list {
			dropIns[filepath.Base(f)] = f
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dropIns)) {
		files = append(files, dropIns[name])
	}
	value := ""
	for _, f := range files {
		b, err := readLimited(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if v, ok := parseSettings(string(b))["ManageForeignRoutes"]; ok {
			value = v
		}
	}
	return slices.Contains([]string{"no", "false", "off", "0", "n", "f"}, strings.ToLower(value)), nil
}

func readFirewalld(at func(...string) string) (Firewall, error) {
	f := Firewall{File: at("etc/firewalld/firewalld.conf")}
	b, err := readLimited(f.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	s := parseSettings(string(b))
	f.IPTables = s["FirewallBackend"] == "iptables"
	f.KeepsOthers = slices.Contains([]string{"no", "false"}, strings.ToLower(s["FlushAllOnReload"]))
	if f.DefaultZone = s["DefaultZone"]; f.DefaultZone == "" {
		f.DefaultZone = "public"
	}
	policies, _ := filepath.Glob(at("etc/firewalld/policies/*.xml"))
	f.Others = len(policies) > 0 || exists(at("etc/firewalld/direct.xml"))
	zones := map[string]string{}
	for _, dir := range []string{"usr/lib/firewalld/zones", "etc/firewalld/zones"} {
		list, _ := filepath.Glob(at(dir, "*.xml"))
		for _, z := range list {
			zones[strings.TrimSuffix(filepath.Base(z), ".xml")] = z
		}
	}
	for _, name := range slices.Sorted(maps.Keys(zones)) {
		b, err := readLimited(zones[name])
		if err != nil {
			return f, err
		}
		z, err := parseZone(b)
		if err != nil {
			return f, fmt.Errorf("%s: %w", zones[name], err)
		}
		z.Name = name
		f.Zones = append(f.Zones, z)
	}
	return f, nil
}

// settings are those of a file with lines KEY=VALUE; none of the files read here has a key in two sections.
type settings map[string]string

func parseSettings(text string) settings {
	out := settings{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.ContainsRune("#;[", rune(line[0])) {
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok {
			out[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return out
}

// parseZone reads firewalld.zone(5).
func parseZone(b []byte) (Zone, error) {
	var file struct {
		XMLName    xml.Name   `xml:"zone"`
		Target     string     `xml:"target,attr"`
		Forward    []struct{} `xml:"forward"`
		Interfaces []struct {
			Name string `xml:"name,attr"`
		} `xml:"interface"`
		Sources []struct {
			Address string `xml:"address,attr"`
		} `xml:"source"`
	}
	if err := xml.Unmarshal(b, &file); err != nil {
		return Zone{}, err
	}
	z := Zone{Accepts: file.Target == "ACCEPT", Forwards: len(file.Forward) > 0}
	for _, i := range file.Interfaces {
		z.Interfaces = append(z.Interfaces, i.Name)
	}
	for _, s := range file.Sources {
		if s.Address != "" {
			z.Sources = append(z.Sources, s.Address)
		}
	}
	return z, nil
}
