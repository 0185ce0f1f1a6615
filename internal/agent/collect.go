package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/component/collect"
	"nodeagent/internal/config"
	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/kubelet"
)

// Bounds of what is collected of a node's past.
const (
	collectEvents  = 7 * 24 * time.Hour
	collectJournal = "-24h"
)

// journals are the units whose journal tells of a node's parts; those a node does not have give an empty file.
var journals = []string{"nodeagent", "kubelet", "containerd", "crio", "keepalived", "haproxy", "chrony", "systemd-timesyncd", "k3s"}

// commands are what a person would be asked for first. None of them changes anything.
var commands = [][]string{
	{"network/address.txt", "ip", "-details", "-statistics", "address"}, {"network/route.txt", "ip", "route", "show", "table", "all"},
	{"network/rule.txt", "ip", "rule"}, {"network/neighbour.txt", "ip", "neighbour"}, {"network/fdb.txt", "bridge", "fdb"},
	{"network/sockets.txt", "ss", "-tulpn"}, {"network/nftables.txt", "nft", "list", "ruleset"},
	{"machine/disks.txt", "df", "-hT"}, {"machine/inodes.txt", "df", "-i"}, {"machine/processes.txt", "ps", "-eo", "pid,ppid,stat,wchan:24,etimes,rss,comm"},
	{"machine/failed-units.txt", "systemctl", "list-units", "--failed", "--no-pager"}, {"machine/time.txt", "timedatectl", "show"}, {"machine/chrony.txt", "chronyc", "-n", "tracking"},
	{"journal/kernel.txt", "journalctl", "--no-pager", "-o", "short-iso", "-k", "-n", "5000"},
}

// systemFiles are small files of the kernel and the distribution.
var systemFiles = []string{"/etc/os-release", "/proc/version", "/proc/cmdline", "/proc/meminfo", "/proc/loadavg", "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory",
	"/proc/mounts", "/proc/swaps", "/proc/modules", "/proc/filesystems"}

// CollectItems are the parts of a bundle that are read on this node, whatever of it is down, and what takes the secrets of this node's files
// out of them. A configuration that can't be used is collected as it is.
func CollectItems(o Options) ([]collect.Item, *collect.Redactor) {
	return collectItems(o, kubelet.Find("/"), []string{"/etc/kubernetes", "/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", "/var/lib/kubelet/pki"})
}

// collectItems is CollectItems with what is known of a kubelet, and the folders of kubeconfigs and keys.
func collectItems(o Options, k kubelet.Facts, credentials []string) ([]collect.Item, *collect.Redactor) {
	c, effective := config.Default(), ""
	if s, err := first(o); err == nil {
		c, effective = s.loaded.Config, configText(s.loaded)
	} else {
		effective = "# " + err.Error() + "\n"
	}
	manifests := cmp.Or(c.StaticPodPath, k.Config.StaticPodPath)
	dropins, _ := filepath.Glob(filepath.Join(o.ConfigDir, "*.yaml")) // the pattern is good, so that there is no error

	items := []collect.Item{
		collect.Text("config/effective.yaml", []byte(effective)),
		{Name: "events.jsonl", Read: func(context.Context) ([]byte, error) { return timeline(c.StateDir, time.Now().Add(-collectEvents)) }},
		{Name: "manifests.txt", Read: func(context.Context) ([]byte, error) {
			return foldersText(append(slices.Clone(credentials), manifests, "/etc/cni/net.d", c.StateDir)...)
		}},
	}
	var files []string
	for _, f := range append([]string{
		o.ConfigFile, c.Keepalive.ConfigFile, cmp.Or(c.Keepalive.HAProxy.ConfigFile, "/etc/haproxy/haproxy.cfg"), k.Config.Path, "/var/lib/kubelet/kubeadm-flags.env",
		"/etc/containerd/config.toml", "/etc/crio/crio.conf", "/etc/crictl.yaml", c.Network.SubnetFile,
	}, dropins...) {
		if f != "" {
			files = append(files, f)
		}
	}
	for _, f := range append(files, systemFiles...) {
		if _, err := os.Lstat(f); err == nil {
			items = append(items, collect.File("files"+filepath.Clean("/"+f), f))
		}
	}
	items = append(items, runtimeItems(c, k)...)
	for _, unit := range journals {
		items = append(items, collect.Command("journal/"+unit+".txt", "journalctl", "--no-pager", "-o", "short-iso", "-u", unit, "--since", collectJournal, "-n", "5000"))
	}
	for _, cmd := range commands {
		items = append(items, collect.Command(cmd[0], cmd[1:]...))
	}
	secrets := append(slices.Clone(credentials), manifests, c.Metrics.WebConfigFile, filepath.Join(c.StateDir, "manifests"), "/etc/keepalived", "/etc/haproxy")
	return items, collect.NewRedactor(collect.Known(append(secrets, files...)...), names(c, k)...)
}

// names of this node, which are no secrets although somebody made one of them a password.
func names(c config.Config, k kubelet.Facts) []string {
	host, _ := hostname()
	var out []string
	for _, n := range []string{c.NodeName, k.NodeName, host} {
		short, _, _ := strings.Cut(n, ".")
		out = append(out, n, short)
	}
	return slices.DeleteFunc(out, func(n string) bool { return n == "" })
}

// timeline is what happened from a time on, without what containers wrote.
func timeline(dir string, from time.Time) ([]byte, error) {
	list, err := event.Since(dir, from)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, x := range list {
		x.Log = ""
		if err := e.Encode(x); err != nil {
			return b.Bytes(), fmt.Errorf("encode the timeline: %w", err)
		}
	}
	return b.Bytes(), err
}

// foldersText names the files of folders with size, mode and time: that a file is there is often the answer, and what it holds may be a secret.
func foldersText(folders ...string) ([]byte, error) {
	var b strings.Builder
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n\n", dir, err)
			continue
		}
		b.WriteString(dir + ":\n")
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				fmt.Fprintf(&b, "%s %10d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), e.Name())
			}
		}
		b.WriteString("\n")
	}
	return []byte(b.String()), nil
}
