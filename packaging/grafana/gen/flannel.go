package main

// flannel is the network between the nodes' pods.
func flannel() page {
	const peer = "{{instance}} to {{peer}}"
	each := func(metric string) string { return "max by (instance, peer) (" + of(metric) + ")" }
	info := table("Subnets", "Flannel on each node.", "none", []string{"instance", "backend", "subnet"}, query{"max by (instance, backend, subnet) (" + of("nodeagent_flannel_info") + ")", ""})
	info.names, info.hide, info.width, info.height = [][2]string{{"instance", "Node"}, {"backend", "Backend"}, {"subnet", "Subnet"}}, []string{"Value"}, 12, 8
	return page{name: "flannel", title: "Flannel", about: "Flannel's peers as each node's probes find them, and what the kernel holds for them.", empty: "No Flannel", panels: []panel{
		small("Ways that are open", "Pairs of nodes of which the one reaches the other through the overlay.", "none", "sum("+of("nodeagent_flannel_peer_up")+" == bool 1)", nil),
		small("Ways that are closed", "Pairs of nodes of which the one does not reach the other.", "none", "sum("+of("nodeagent_flannel_peer_up")+" == bool 0)", nil, step{1, bad}),
		small("Unknown", "Pairs that could not be probed.", "none", "sum("+of("nodeagent_flannel_peer_up")+" == bool -1)", nil, step{1, doubt}),
		small("Worst loss", "The largest share of probes without an answer.", "percentunit", "max("+of("nodeagent_flannel_peer_loss_ratio")+")", nil, step{0.05, doubt}, step{0.5, bad}),
		small("Slowest round trip", "Of the last answered probes.", "s", "max("+of("nodeagent_flannel_peer_rtt_seconds")+")", nil),
		small("Smallest path", "The largest packet that reached every peer whole.", "bytes", "min("+of("nodeagent_flannel_peer_path_mtu_bytes")+")", nil),
		states("Peers", "Whether each peer answers through the overlay.", []value{{"1", "up", good}, {"0", "unreachable", bad}, {"-1", "unknown", doubt}}, query{"min by (instance, peer) (" + of("nodeagent_flannel_peer_up") + ")", peer}),
		graph("Loss", "Share of the last 30 probes that were not answered.", "percentunit", query{each("nodeagent_flannel_peer_loss_ratio"), peer}),
		graph("Round trip", "Of the last answered probe of each peer.", "s", query{each("nodeagent_flannel_peer_rtt_seconds"), peer}),
		graph("Round trips of all peers", "Median and 99th percentile of all answered probes.", "s",
			query{"histogram_quantile(0.5, sum by (le) (" + rate("nodeagent_flannel_probe_rtt_seconds_bucket") + "))", "median"}, query{"histogram_quantile(0.99, sum by (le) (" + rate("nodeagent_flannel_probe_rtt_seconds_bucket") + "))", "99 %"}),
		graph("Path MTU", "Largest packet that was seen to reach a peer whole.", "bytes", query{each("nodeagent_flannel_peer_path_mtu_bytes"), peer}),
		states("Conditions of the network", "The worst subject of each condition about the pods' network.", statuses,
			query{"min by (instance, condition) (" + of("nodeagent_condition", `condition=~"Flannel.*|PodBridge|Network.*"`) + ") < 2", "{{instance}} {{condition}}"}),
		info,
		graph("Addresses given out", "By host-local, of the node's subnet.", "none", query{"sum by (instance, network, family) (" + of("nodeagent_cni_addresses") + ")", "{{instance}} {{network}} {{family}}"}),
		graph("Looks", "How often the network was read and judged: a look follows each change in the kernel.", "ops", query{"sum by (instance) (" + rate("nodeagent_network_looks_total") + ")", "{{instance}}"}),
		happenings("Lost events", "Times the kernel's events came faster than they were read, so that everything was read again.", query{"sum by (instance) (" + increase("nodeagent_network_event_overruns_total") + ")", "{{instance}}"}),
	}}
}
