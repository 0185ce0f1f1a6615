package component

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Ports of kube-proxy (k8s.io/kubernetes/pkg/cluster/ports).
const (
	proxyHealthPort  = "10256"
	proxyMetricsPort = "10249"
)

// proxyPlace is where a kube-proxy is asked.
type proxyPlace struct {
	healthz string // host:port; empty: switched off
	metrics string
	unread  string // why its configuration, which would say so, was not read: the places are the defaults
}

// proxyAt decides it. A kube-proxy with a configuration file takes nothing from its flags (cmd/kube-proxy/app, Complete).
func proxyAt(cfg Config, f found) proxyPlace {
	set := f.flags()
	if file := set["config"]; file != "" {
		c, err := readProxyConfig(cfg, f.process, file)
		p := proxyPlace{healthz: proxyAddress(c.Healthz, proxyHealthPort, "127.0.0.1"), metrics: proxyAddress(c.Metrics, proxyMetricsPort, c.loopback())}
		if err != nil {
			p.unread = err.Error()
		}
		return p
	}
	healthz, given := set["healthz-bind-address"]
	if given && healthz == "" || set["healthz-port"] == "0" {
		return proxyPlace{metrics: proxyAddress(set["metrics-bind-address"], proxyMetricsPort, "127.0.0.1")}
	}
	return proxyPlace{
		healthz: proxyAddress(healthz, set.or("healthz-port", proxyHealthPort), "127.0.0.1"),
		metrics: proxyAddress(set["metrics-bind-address"], set.or("metrics-port", proxyMetricsPort), "127.0.0.1"),
	}
}

// proxyAddress is a bind address of kube-proxy's, which is host:port or, in old ones, the host alone; otherwise is the host where it says none.
func proxyAddress(bind, port, otherwise string) string {
	if h, p, err := net.SplitHostPort(bind); err == nil {
		bind, port = h, p
	}
	if ip, err := netip.ParseAddr(bind); err == nil {
		otherwise = reachedAt(ip)
	}
	return net.JoinHostPort(otherwise, port)
}

// proxyConfig is the part of KubeProxyConfiguration that says where it listens.
type proxyConfig struct {
	Bind    string `yaml:"bindAddress"`
	Healthz string `yaml:"healthzBindAddress"`
	Metrics string `yaml:"metricsBindAddress"`
}

// loopback is where its metrics are by default (pkg/proxy/apis/config/v1alpha1, getDefaultAddresses).
func (c proxyConfig) loopback() string {
	if ip, err := netip.ParseAddr(c.Bind); err == nil && ip.Is6() && !ip.Is4In6() {
		return "::1"
	}
	return "127.0.0.1"
}

var (
	podOfCgroup   = regexp.MustCompile(`pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})`)
	errNoPod      = errors.New("it is in no pod")
	errNoVolume   = errors.New("it is in no ConfigMap volume of its pod")
	errNotOneFile = errors.New("several ConfigMap volumes of its pod have one")
)

// readProxyConfig reads a configuration file of kube-proxy: where its process is in a pod, that of the pod's ConfigMap, which kubelet has put on the
// node's disk; else, or where it has none, the file itself. Its errors hold nothing of the content.
func readProxyConfig(cfg Config, p *process, file string) (proxyConfig, error) {
	path, err := configMapFile(cfg, p, filepath.Base(file))
	if err != nil {
		path = file
	}
	text, readErr := os.ReadFile(path)
	if readErr != nil {
		if err != nil && !errors.Is(err, errNoPod) {
			return proxyConfig{}, fmt.Errorf("find kube-proxy's configuration: %w", err)
		}
		return proxyConfig{}, fmt.Errorf("read kube-proxy's configuration: %w", readErr)
	}
	var c proxyConfig
	if yaml.Unmarshal(text, &c) != nil {
		return proxyConfig{}, fmt.Errorf("kube-proxy's configuration %s is no valid YAML", path)
	}
	return c, nil
}

// configMapFile is where a file of a ConfigMap of the process' pod is on this node.
func configMapFile(cfg Config, p *process, name string) (string, error) {
	if p == nil {
		return "", errNoPod
	}
	cgroup, err := os.ReadFile(filepath.Join(cfg.Proc, strconv.Itoa(p.pid), "cgroup"))
	if err != nil {
		return "", err
	}
	m := podOfCgroup.FindSubmatch(cgroup)
	if m == nil {
		return "", errNoPod
	}
	pod := strings.ReplaceAll(string(m[1]), "_", "-")
	files, err := filepath.Glob(filepath.Join(cfg.Kubelet, "pods", pod, "volumes/kubernetes.io~configmap/*", name))
	switch {
	case err != nil:
		return "", err
	case len(files) == 0:
		return "", errNoVolume
	case len(files) > 1:
		return "", errNotOneFile
	}
	return files[0], nil
}
