package kubelet

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// nodeUser is the prefix of the user that a kubelet is (node authorizer).
const nodeUser = "system:node:"

// nodeName finds the node's name as its kubelet does, with where it comes from.
func (h *host) nodeName(fl flags, source string) (string, string) {
	clean := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	if n := clean(fl["hostname-override"]); n != "" {
		if source == "" {
			source = "flag"
		}
		return n, source + " --hostname-override"
	}
	if path := certDir(fl) + "/kubelet-client-current.pem"; h.exists(path) {
		if b, ok := h.read(path); ok {
			if n := commonName(b); n != "" {
				return clean(n), "certificate " + path
			}
			h.problem("%s: holds no certificate of a node", path)
		}
	}
	for _, p := range kubeconfigPaths(fl) {
		if b, ok := h.read(p); ok {
			if n := h.kubeconfigName(p, b); n != "" {
				return clean(n), "certificate of " + p
			}
		}
	}
	if h.root == "/" {
		if n, err := os.Hostname(); err == nil && clean(n) != "" {
			return clean(n), "host name"
		}
	}
	for _, p := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if b, ok := h.read(p); ok && clean(string(b)) != "" {
			return clean(string(b)), "host name in " + p
		}
	}
	h.problem("the node's name was found in no flag, certificate or host name")
	return "", ""
}

// kubeconfigPaths are where a kubelet's kubeconfig may lie, the one that it was told first.
func kubeconfigPaths(fl flags) []string {
	if p := fl["kubeconfig"]; p != "" {
		return append([]string{p}, kubeconfigs...)
	}
	return kubeconfigs
}

// server is the apiserver's address in the first kubeconfig that has one.
func (h *host) server(fl flags) string {
	for _, p := range kubeconfigPaths(fl) {
		b, ok := h.read(p)
		if !ok {
			continue
		}
		var kc struct {
			Clusters []struct {
				Cluster struct {
					Server string `json:"server"`
				} `json:"cluster"`
			} `json:"clusters"`
		}
		if err := yaml.Unmarshal(b, &kc); err == nil && len(kc.Clusters) > 0 && kc.Clusters[0].Cluster.Server != "" {
			return kc.Clusters[0].Cluster.Server
		}
	}
	return ""
}

// kubeconfigName is the node named by the first client certificate of a kubeconfig, embedded or in a file.
func (h *host) kubeconfigName(path string, b []byte) string {
	var kc struct {
		Users []struct {
			User struct {
				Data string `json:"client-certificate-data"`
				File string `json:"client-certificate"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(b, &kc); err != nil {
		h.problem("%s: %s", path, yamlFault(err))
		return ""
	}
	for _, u := range kc.Users {
		if raw, err := base64.StdEncoding.DecodeString(u.User.Data); err == nil && len(raw) > 0 {
			if n := commonName(raw); n != "" {
				return n
			}
		}
		if file := u.User.File; file != "" {
			if !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(path), file)
			}
			if raw, ok := h.read(file); ok {
				if n := commonName(raw); n != "" {
					return n
				}
			}
		}
	}
	return ""
}

// commonName is the node named by the first certificate of a PEM file that names one; keys in the file are skipped.
func commonName(b []byte) string {
	for len(b) > 0 {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return ""
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if n, ok := strings.CutPrefix(c.Subject.CommonName, nodeUser); ok && n != "" {
			return n
		}
	}
	return ""
}
