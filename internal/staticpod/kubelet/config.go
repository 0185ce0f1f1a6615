package kubelet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Config is what a kubelet's settings say, or its defaults (k8s.io/kubelet/config/v1beta1).
type Config struct {
	Path                     string   // of the configuration file; empty: none is named and none is at the usual place
	DropIns                  []string // files of --config-dir that were read, in order
	StaticPodPath            string   // folder or file; empty: this kubelet has no static pods from files
	ContainerRuntimeEndpoint string   // empty: not said
	FileCheckFrequency       time.Duration
	SyncFrequency            time.Duration
	InitialBackoff           time.Duration // of container restarts: 10 s, or 1 s with ReduceDefaultCrashLoopBackOffDecay
	MaxRestartPeriod         time.Duration // crashLoopBackOff.maxContainerRestartPeriod
	CgroupDriver             string        // empty: not said
	ClusterDNS               []string
	PodLogsDir               string
	HealthzAddress           string            // host:port; empty: switched off
	ServerAddress            string            // host:port of its API, over TLS
	ServerCertificates       []string          // files of which the first that is there is what it serves
	FailSwapOn               bool              // it does not start on a node with swap
	ProtectKernelDefaults    bool              // it does not start where the kernel's settings are not its own
	FailCgroupV1             bool              // it was told not to start on cgroup v1; since 1.35 that is its default, which shows nowhere
	Sources                  map[string]string // where a value comes from, by kubelet's key; what is not named is kubelet's default
}

// kubeadmManifests is where kubeadm puts static pods and points every kubelet.
const kubeadmManifests = "/etc/kubernetes/manifests"

// fileConfig is the part of KubeletConfiguration that is read.
type fileConfig struct {
	StaticPodPath            *string         `json:"staticPodPath"`
	ContainerRuntimeEndpoint *string         `json:"containerRuntimeEndpoint"`
	FileCheckFrequency       *string         `json:"fileCheckFrequency"`
	SyncFrequency            *string         `json:"syncFrequency"`
	CgroupDriver             *string         `json:"cgroupDriver"`
	ClusterDNS               []string        `json:"clusterDNS"`
	PodLogsDir               *string         `json:"podLogsDir"`
	HealthzPort              *int            `json:"healthzPort"`
	HealthzBindAddress       *string         `json:"healthzBindAddress"`
	Address                  *string         `json:"address"`
	Port                     *int            `json:"port"`
	TLSCertFile              *string         `json:"tlsCertFile"`
	FailSwapOn               *bool           `json:"failSwapOn"`
	ProtectKernelDefaults    *bool           `json:"protectKernelDefaults"`
	FailCgroupV1             *bool           `json:"failCgroupV1"`
	FeatureGates             map[string]bool `json:"featureGates"`
	CrashLoopBackOff         struct {
		MaxContainerRestartPeriod *string `json:"maxContainerRestartPeriod"`
	} `json:"crashLoopBackOff"`
}

// config reads kubelet's settings: flags, drop-ins, file, defaults.
func (h *host) config(fl flags, flagSource string, dist *distribution, installed bool) Config {
	c := Config{Sources: map[string]string{}}
	raw := values{"staticPodPath": "", "healthzPort": "10248", "healthzBindAddress": "127.0.0.1", "failSwapOn": "true", "address": "0.0.0.0", "port": "10250"}
	gates := map[string]bool{}
	read := false
	apply := func(path string) bool {
		b, ok := h.read(path)
		if !ok {
			return false
		}
		var fc fileConfig
		if err := yaml.Unmarshal(b, &fc); err != nil {
			h.problem("%s: %s", path, yamlFault(err))
			wrong := (*json.UnmarshalTypeError)(nil)
			if !errors.As(err, &wrong) {
				return true
			}
			if wrong.Field == "healthzPort" { // its zero means switched off
				fc.HealthzPort = nil
			}
			if wrong.Field == "port" {
				fc.Port = nil
			}
		}
		read = true
		raw.file(fc, path, c.Sources)
		for k, v := range fc.FeatureGates {
			gates[k] = v
		}
		return true
	}
	c.Path = fl["config"]
	named := c.Path != ""
	if !named {
		for _, p := range []string{"/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet/config.json", "/etc/kubernetes/kubelet/kubelet-config.json"} {
			if h.exists(p) && (dist == nil || dist.manifests == "") {
				c.Path = p
				break
			}
		}
	}
	if c.Path != "" && !apply(c.Path) && !h.exists(c.Path) {
		h.problem("%s: kubelet's configuration file does not exist", c.Path)
	}
	dropins := fl["config-dir"]
	if dropins == "" && dist != nil {
		dropins = dist.dropins
	}
	for _, p := range h.confFiles(dropins, 0) {
		if apply(p) {
			c.DropIns = append(c.DropIns, p)
		}
	}
	for flag, key := range map[string]string{
		"pod-manifest-path": "staticPodPath", "container-runtime-endpoint": "containerRuntimeEndpoint",
		"file-check-frequency": "fileCheckFrequency", "sync-frequency": "syncFrequency", "cgroup-driver": "cgroupDriver",
		"cluster-dns": "clusterDNS", "healthz-port": "healthzPort", "healthz-bind-address": "healthzBindAddress",
		"address": "address", "port": "port", "tls-cert-file": "tlsCertFile",
		"fail-swap-on": "failSwapOn", "protect-kernel-defaults": "protectKernelDefaults",
	} {
		if v, ok := fl[flag]; ok {
			raw[key] = v
			c.Sources[key] = flagSource + " --" + flag
		}
	}
	h.resolve(&c, raw, gates)
	c.ServerCertificates = serverCertificates(fl, raw)
	if c.StaticPodPath == "" && c.Sources["staticPodPath"] == "" {
		switch {
		case dist != nil && dist.manifests != "":
			c.StaticPodPath, c.Sources["staticPodPath"] = dist.manifests, dist.name+"'s default"
		case !read || !installed:
			c.StaticPodPath, c.Sources["staticPodPath"] = kubeadmManifests, "kubeadm's default"
		default:
			c.Sources["staticPodPath"] = "not set in " + c.Path
		}
	}
	return c
}

func (h *host) resolve(c *Config, raw values, gates map[string]bool) {
	period := func(key string, byDefault time.Duration) time.Duration {
		s := raw[key]
		if s == "" {
			return byDefault
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			h.problem("%s: %s is %q, which is no duration; kubelet's default %v is assumed", c.Sources[key], key, s, byDefault)
			return byDefault
		}
		if d == 0 { // kubelet reads 0 as not set
			return byDefault
		}
		return d
	}
	c.StaticPodPath = raw["staticPodPath"]
	if c.StaticPodPath != "" {
		c.StaticPodPath = filepath.Clean(c.StaticPodPath)
		if !filepath.IsAbs(c.StaticPodPath) {
			// kubelet makes paths of its file absolute to the file's folder (pkg/kubelet/kubeletconfig/util/codec)
			c.StaticPodPath = filepath.Join(filepath.Dir(c.Path), c.StaticPodPath)
		}
	}
	c.ContainerRuntimeEndpoint = raw["containerRuntimeEndpoint"]
	c.CgroupDriver = raw["cgroupDriver"]
	c.FileCheckFrequency = period("fileCheckFrequency", 20*time.Second)
	c.SyncFrequency = period("syncFrequency", time.Minute)
	// KEP-4603 and KEP-5593: the gate changes both ends of the curve, the setting its upper end.
	c.InitialBackoff, c.MaxRestartPeriod = 10*time.Second, 300*time.Second
	if gates["ReduceDefaultCrashLoopBackOffDecay"] {
		c.InitialBackoff, c.MaxRestartPeriod = time.Second, 60*time.Second
	}
	if on, said := gates["KubeletCrashLoopBackOffMax"]; on || !said {
		c.MaxRestartPeriod = period("crashLoopBackOff.maxContainerRestartPeriod", c.MaxRestartPeriod)
	}
	c.InitialBackoff = min(c.InitialBackoff, c.MaxRestartPeriod)
	for _, s := range strings.Split(raw["clusterDNS"], ",") {
		if s = strings.TrimSpace(s); s != "" {
			c.ClusterDNS = append(c.ClusterDNS, s)
		}
	}
	c.PodLogsDir = raw["podLogsDir"]
	if c.PodLogsDir == "" {
		c.PodLogsDir = "/var/log/pods"
	}
	c.FailSwapOn, c.ProtectKernelDefaults, c.FailCgroupV1 = isTrue(raw["failSwapOn"]), isTrue(raw["protectKernelDefaults"]), isTrue(raw["failCgroupV1"])
	c.HealthzAddress = h.address(c, raw, "healthzPort", "healthzBindAddress", 10248)
	c.ServerAddress = h.address(c, raw, "port", "address", 10250)
}

// address is where a port of kubelet's is reached on this node; empty: it is switched off.
func (h *host) address(c *Config, raw values, portKey, bindKey string, byDefault int) string {
	port, err := strconv.Atoi(raw[portKey])
	if err != nil || port < 0 || port > 65535 {
		h.problem("%s: %s is %q, which is no port; %d is assumed", c.Sources[portKey], portKey, raw[portKey], byDefault)
		port = byDefault
	}
	host := raw[bindKey]
	ip := net.ParseIP(host)
	switch {
	case port == 0:
		return ""
	case host == "", ip != nil && ip.IsUnspecified(): // "::" takes IPv4 too, and lo need not have ::1
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// certDir is where kubelet keeps its certificates.
func certDir(fl flags) string {
	return cmp.Or(fl["cert-dir"], cmp.Or(fl["root-dir"], "/var/lib/kubelet")+"/pki")
}

// serverCertificates are the files that it may serve: the named one, else the one that the cluster signed (serverTLSBootstrap), else its own.
func serverCertificates(fl flags, raw values) []string {
	if file := raw["tlsCertFile"]; file != "" {
		return []string{file}
	}
	dir := certDir(fl)
	return []string{dir + "/kubelet-server-current.pem", dir + "/kubelet.crt"}
}

// confFiles are the *.conf files below a folder in the order in which kubelet merges them: a walk in lexical order
// (cmd/kubelet/app/server.go, mergeKubeletConfigurations).
func (h *host) confFiles(dir string, depth int) []string {
	if dir == "" || depth > 4 {
		return nil
	}
	var out []string
	for _, n := range h.names(dir) {
		path := dir + "/" + n
		switch {
		case h.hasDir(path):
			out = append(out, h.confFiles(path, depth+1)...)
		case filepath.Ext(n) == ".conf":
			out = append(out, path)
		}
	}
	return out[:min(len(out), maxFiles)]
}

// distributionFlags are kubelet's flags from a distribution's own files.
func (h *host) distributionFlags(d *distribution) flags {
	out := flags{}
	if d.args != "" {
		if b, ok := h.read(d.args); ok {
			out = parseFlags(append([]string{"kubelet"}, words(string(b))...)).over(out)
		}
	}
	if d.settings == "" {
		return out
	}
	paths := []string{d.settings}
	for _, n := range h.names(d.settings + ".d") {
		if strings.HasSuffix(n, ".yaml") {
			paths = append(paths, d.settings+".d/"+n)
		}
	}
	for _, path := range paths {
		b, ok := h.read(path)
		if !ok {
			continue
		}
		var s struct {
			NodeName   string `json:"node-name"`
			KubeletArg any    `json:"kubelet-arg"`
		}
		if err := yaml.Unmarshal(b, &s); err != nil {
			h.problem("%s: %s", path, yamlFault(err))
			continue
		}
		if s.NodeName != "" {
			out.set("node-name", s.NodeName)
		}
		switch v := s.KubeletArg.(type) {
		case string:
			out.set("kubelet-arg", v)
		case []any:
			for _, a := range v {
				out.set("kubelet-arg", fmt.Sprint(a))
			}
		}
	}
	return out
}

// yamlFault says what is wrong with a file without repeating its values, which may be secrets.
func yamlFault(err error) string {
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return fmt.Sprintf("%s has the wrong type: want %v", wrong.Field, wrong.Type)
	}
	s := err.Error()
	if i := strings.Index(s, "yaml: "); i >= 0 {
		s = s[i:]
	}
	if i := strings.IndexByte(s, '`'); i >= 0 {
		s = s[:i] + "..."
	}
	first, _, _ := strings.Cut(s, "\n")
	return "does not parse: " + first
}
