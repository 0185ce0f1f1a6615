package agent

import (
	"context"

	"nodeagent/internal/config"
	"nodeagent/internal/netcheck"
	"nodeagent/internal/view"
)

func networkConfig(c config.Config, node string) netcheck.Config {
	n := c.Network
	return netcheck.Config{
		SubnetEnv: n.SubnetFile, CNIConfDir: n.CNIConfDir, NodeName: node,
		Resync: n.CheckFrequency, ProbeInterval: n.ProbeInterval, ProbeTimeout: n.ProbeTimeout,
	}
}

// shownNetwork is nil where there is no Flannel: what a node does not have is no part of its status.
func shownNetwork(v view.Network) *view.Network {
	if v.Backend == "" {
		return nil
	}
	return &v
}

// ExplainPeer walks the way to a peer of Flannel: a node, its subnet, its address or an address in its subnet.
func ExplainPeer(ctx context.Context, c config.Config, peer string) (view.Explanation, error) {
	return netcheck.Explain(ctx, networkConfig(c, c.NodeName), netcheck.Deps{}, peer)
}

// NetworkConditions are the names of the conditions that are about Flannel and the node's network.
func NetworkConditions() []string {
	var names []string
	for _, c := range netcheck.Conditions() {
		names = append(names, c.Name)
	}
	return names
}
