package kubelet

import (
	"maps"
	"slices"
	"strings"
)

// switches are the flags that are read and take a value only behind "=".
var switches = []string{"fail-swap-on", "protect-kernel-defaults"}

// wanted are the flags that are read and take a value. None is a secret.
var wanted = []string{
	"config", "config-dir", "hostname-override", "pod-manifest-path", "container-runtime-endpoint",
	"file-check-frequency", "sync-frequency", "cgroup-driver", "cluster-dns", "healthz-port", "healthz-bind-address",
	"kubeconfig", "bootstrap-kubeconfig", "cert-dir", "root-dir", "address", "port", "tls-cert-file",
}

// flags is a parsed command line: the last value of each wanted flag. Nil is none.
type flags map[string]string

func (f flags) empty() bool { return len(f) == 0 }

// over lays f over g.
func (f flags) over(g flags) flags {
	out := flags{}
	maps.Copy(out, g)
	maps.Copy(out, f)
	return out
}

func (f flags) list() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(f)) {
		out = append(out, "--"+k+"="+f[k])
	}
	return out
}

// parseFlags reads kubelet's command line without its first word, by pflag's rules: --name=value and --name value, later ones
// win, -- ends. k3s and rke2 take kubelet's flags as --kubelet-arg name=value and the node's name as --node-name.
func parseFlags(args []string) flags {
	out := flags{}
	if len(args) == 0 {
		return out
	}
	args = args[1:]
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			break
		}
		if !strings.HasPrefix(args[i], "-") {
			continue
		}
		name, value, has := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if slices.Contains(switches, name) {
			if !has {
				value = "true"
			}
			out[name] = value
			continue
		}
		if !slices.Contains(wanted, name) && name != "kubelet-arg" && name != "node-name" {
			continue
		}
		if !has {
			if i+1 == len(args) {
				break
			}
			i++
			value = args[i]
		}
		out.set(name, value)
	}
	return out
}

func (f flags) set(name, value string) {
	switch name {
	case "kubelet-arg":
		n, v, _ := strings.Cut(strings.TrimLeft(value, "-"), "=")
		if slices.Contains(wanted, n) || slices.Contains(switches, n) {
			f[n] = v
		}
	case "node-name":
		f["hostname-override"] = value
	default:
		f[name] = value
	}
}
