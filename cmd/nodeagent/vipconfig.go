package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/keepalive/snippet"
)

func newVIPConfig() *cobra.Command {
	var vips, peers []string
	var source string
	v := snippet.VIP{}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print a complete keepalived.conf for this node",
		Long: `config prints a keepalived.conf that follows this agent's verdicts: VRRPv3, a
verdict file, the agent's own process, the notify FIFO. Give every node the same
but another priority. The VRID must be unused on this network, and is never 51.

"vip haproxy" prints the balancer's.`,
		Example: `  nodeagent vip config --interface eth0 --vrid 77 --vip 10.0.0.100/24 \
      --priority 90
  nodeagent vip haproxy --server node1=10.0.0.11:6443`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&v.Interface, "interface", "", "`NAME` of the one that the nodes reach one another on")
	f.IntVar(&v.VRID, "vrid", 0, "`NUMBER` 1 to 255, unused on this network")
	f.StringSliceVar(&vips, "vip", nil, "`ADDRESS` with its prefix length; may be given again")
	f.IntVar(&v.Priority, "priority", 0, "`NUMBER` 1 to 254, another on each node (100)")
	f.StringVar(&v.Instance, "instance", "", "`NAME` of the vrrp_instance (VI_1)")
	f.StringVar(&source, "source", "", "unicast: `ADDRESS` of this node")
	f.StringSliceVar(&peers, "peer", nil, "unicast: `ADDRESS` of another node")
	f.StringVar(&v.Policy, "policy", "", "`NAME` of the verdict that counts (vip)")
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		for _, s := range vips {
			a, err := netip.ParsePrefix(s)
			if err != nil {
				return wrong("--vip %q: write it with its prefix length, such as 10.0.0.100/24", s)
			}
			v.Addresses = append(v.Addresses, a)
		}
		for _, s := range peers {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return wrong("--peer %q is no address", s)
			}
			v.Peers = append(v.Peers, a)
		}
		if source != "" {
			a, err := netip.ParseAddr(source)
			if err != nil {
				return wrong("--source %q is no address", source)
			}
			v.Source = a
		}
		var b bytes.Buffer
		if err := v.Keepalived(&b); err != nil {
			return wrong("%w", err)
		}
		_, err := b.WriteTo(cmd.OutOrStdout())
		return err
	})
	return cmd
}

func newVIPHAProxy() *cobra.Command {
	var servers []string
	var bind string
	b := snippet.Balancer{}
	cmd := &cobra.Command{
		Use:   "haproxy",
		Short: "Print a complete haproxy.cfg for the apiservers",
		Long: `haproxy prints an haproxy.cfg that balances the apiservers and asks each for its
health, with a runtime socket that the agent can read.`,
		Example: `  nodeagent vip haproxy --server node1=10.0.0.11:6443 \
      --server node2=10.0.0.12:6443 --ca /etc/kubernetes/pki/ca.crt`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringSliceVar(&servers, "server", nil, "an apiserver, `NAME=ADDR:PORT`; may be given again")
	f.StringVar(&bind, "bind", "", "`ADDRESS` to listen on; none: every one")
	f.Uint16Var(&b.Port, "port", 0, "`PORT` to listen on (8443)")
	f.StringVar(&b.Check, "check", "", "`PATH` of an apiserver's health (/readyz)")
	f.StringVar(&b.CA, "ca", "", "`FILE` of the cluster's CA, to verify with")
	f.StringVar(&b.Socket, "socket", "", "`FILE` of its runtime socket")
	f.StringVar(&b.User, "user", "", "`NAME` that it becomes (haproxy); -: none")
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		for _, s := range servers {
			name, at, _ := strings.Cut(s, "=")
			addr, err := netip.ParseAddrPort(at)
			if err != nil {
				return wrong("--server %q: write NAME=ADDRESS:PORT, such as node1=10.0.0.11:6443", s)
			}
			b.Servers = append(b.Servers, snippet.Server{Name: name, Addr: addr})
		}
		if bind != "" {
			a, err := netip.ParseAddr(bind)
			if err != nil {
				return wrong("--bind %q is no address", bind)
			}
			b.Bind = a
		}
		var text bytes.Buffer
		if err := b.HAProxy(&text); err != nil {
			return wrong("%w", fmt.Errorf("haproxy.cfg: %w", err))
		}
		_, err := text.WriteTo(cmd.OutOrStdout())
		return err
	})
	return cmd
}
