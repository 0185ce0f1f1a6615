package staticpod

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// hostsPath is where a container looks for names.
const hostsPath = "/etc/hosts"

// hosts is the content of a pod's /etc/hosts, as kubelet lays it out (pkg/kubelet/kubelet_pods.go): in the host's network the node's own
// file, else loopback names and the pod's; then hostAliases.
func hosts(s *corev1.PodSpec, node []byte, hostname string, podIPs []string) []byte {
	var b bytes.Buffer
	if s.HostNetwork {
		b.WriteString("# The node's hosts file, kept by nodeagent.\n")
		b.Write(node)
		if len(node) > 0 && node[len(node)-1] != '\n' {
			b.WriteByte('\n')
		}
	} else {
		b.WriteString("# Kept by nodeagent.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n")
		for _, ip := range podIPs {
			if _, err := netip.ParseAddr(ip); err == nil {
				fmt.Fprintf(&b, "%s\t%s\n", ip, hostname)
			}
		}
	}
	if len(s.HostAliases) > 0 {
		b.WriteString("\n# Entries added by hostAliases.\n")
		for _, a := range s.HostAliases {
			fmt.Fprintf(&b, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
		}
	}
	return b.Bytes()
}

// hostsMount keeps the pod's hosts file and gives the mount of it; nil where the container mounts a file of its own there, or where
// the node's own file, with nothing added, is what the runtime gives it anyway. The file is written in place: containers that run have
// it mounted.
func hostsMount(s *corev1.PodSpec, c *corev1.Container, folder, hostname string, podIPs []string) (*cri.Mount, error) {
	for _, m := range c.VolumeMounts {
		if path.Clean(m.MountPath) == hostsPath {
			return nil, nil
		}
	}
	var node []byte
	if s.HostNetwork {
		if len(s.HostAliases) == 0 {
			return nil, nil
		}
		var err error
		if node, err = os.ReadFile(hostsPath); err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read the node's hosts file: %w", err)
		}
	}
	file := filepath.Join(folder, "etc-hosts")
	want := hosts(s, node, hostname, podIPs)
	if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, want) {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("make the pod's folder: %w", err)
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			return nil, fmt.Errorf("write the pod's hosts file: %w", err)
		}
	}
	readOnly := c.SecurityContext != nil && isTrue(c.SecurityContext.ReadOnlyRootFilesystem)
	return &cri.Mount{ContainerPath: hostsPath, HostPath: file, Readonly: readOnly}, nil
}
