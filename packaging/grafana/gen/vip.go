package main

var vrrpStates = []value{{"1", "MASTER", good}, {"2", "BACKUP", other}, {"3", "FAULT", bad}, {"4", "STOP", none}, {"0", "unknown", doubt}}

// vip is who holds the VIPs, why, and the balancer behind them.
func vip() page {
	const instance = "{{instance}} {{vrrp_instance}}"
	each := func(metric string) string { return "max by (instance, vrrp_instance) (" + of(metric) + ")" }
	verdicts := states("Verdicts", "What keepalived adds to the priority for this verdict: 0 is fit, -254 is FAULT, what is between is less fit. Also where keepalived follows none of them yet.", []value{{"0", "fit", good}, {"-254", "FAULT", bad}},
		query{"min by (instance, policy) (" + of("nodeagent_verdict") + ")", "{{instance}} {{policy}}"})
	verdicts.from = []step{{-253, doubt}, {0, good}}
	return page{name: "vip", title: "Keepalived and HAProxy", about: "Who holds each VIP over time, what the nodes tell keepalived, and HAProxy behind it.", empty: "No VRRP instance", panels: []panel{
		small("Masters", "Fewest masters of a VRRP instance: 0 is a VIP that nobody holds.", "none", "min(sum by (cluster, job, vrrp_instance) ("+of("nodeagent_vrrp_state")+" == bool 1))", nil, step{0, bad}, step{1, good}, step{2, bad}),
		small("Most masters", "Most masters of a VRRP instance: 2 is a VIP that two nodes hold.", "none", "max(sum by (cluster, job, vrrp_instance) ("+of("nodeagent_vrrp_state")+" == bool 1))", nil, step{0, bad}, step{1, good}, step{2, bad}),
		small("In FAULT", "VRRP instances of nodes that keepalived holds for unfit.", "none", "sum("+of("nodeagent_vrrp_state")+" == bool 3)", nil, step{1, bad}),
		small("Unfit nodes", "Verdicts below 0 on nodes whose keepalived follows them.", "none", "sum(("+of("nodeagent_verdict")+" < bool 0) and on (cluster, job, instance) "+of("nodeagent_verdict_followed")+" == 1)", nil, step{1, bad}).saying("None is followed"),
		small("Followed", "Nodes whose keepalived.conf names a verdict; on the others it is only observed.", "none", "sum("+of("nodeagent_verdict_followed")+")", nil),
		small("Servers down", "Servers of HAProxy's backends that fail their check.", "none", "sum("+of("nodeagent_haproxy_backend_servers_checked")+") - sum("+of("nodeagent_haproxy_backend_servers_live")+")", nil, step{1, bad}).saying("No HAProxy"),
		states("Who holds the VIP", "State of each VRRP instance on each node.", vrrpStates, query{each("nodeagent_vrrp_state"), instance}),
		verdicts,
		happenings("Transitions", "Changes of state of each VRRP instance.", query{"sum by (instance, vrrp_instance) (" + increase("nodeagent_vrrp_transitions_total") + ")", instance}),
		happenings("Changes of verdicts", "A verdict that took another number or word.", query{"sum by (instance) (" + increase("nodeagent_verdict_changes_total") + ")", "{{instance}}"}),
		graph("Priority", "As keepalived told last: the configured one and what the checks add.", "none", query{each("nodeagent_vrrp_priority"), instance}),
		graph("Other masters heard", "Other nodes that advertise the same VRID. On a master it should be 0, on a backup 1.", "none", query{each("nodeagent_vrrp_masters_heard"), instance}),
		graph("Addresses held", "Addresses of each VRRP instance that are on the node.", "none", query{each("nodeagent_vrrp_vips"), instance}),
		graph("In this state for", "Since the last change of state of each VRRP instance.", "s", query{"time() - " + each("nodeagent_vrrp_state_since_timestamp_seconds"), instance}),
		happenings("Files put back", "Verdict files that somebody else changed or removed.", query{"sum by (instance) (" + increase("nodeagent_verdict_rewrites_total") + ")", "{{instance}}"}),
		graph("Answers on the verdict sockets", "What nodeagent-check and HAProxy's agent-check asked.", "reqps", query{"sum by (instance) (" + rate("nodeagent_verdict_answers_total") + ")", "{{instance}}"}),
		happenings("Noise", "Lines of the notify FIFO that were none, and packets that were no good VRRP.",
			query{"sum by (instance) (" + increase("nodeagent_vrrp_bad_notices_total") + ")", "{{instance}} notices"}, query{"sum by (instance) (" + increase("nodeagent_vrrp_malformed_packets_total") + ")", "{{instance}} packets"}),
		states("HAProxy answers", "Whether its runtime socket answered the last look.", yesNo, query{"min by (instance) (" + of("nodeagent_haproxy_answers") + ")", "{{instance}}"}).saying("No HAProxy"),
		graph("Live servers", "Share of each backend's checked servers that pass their check.", "percentunit",
			query{"sum by (instance, backend) (" + of("nodeagent_haproxy_backend_servers_live") + ") / sum by (instance, backend) (" + of("nodeagent_haproxy_backend_servers_checked") + ")", "{{instance}} {{backend}}"}).saying("No HAProxy"),
		graph("Connections", "Share of the connections that HAProxy takes.", "percentunit", query{"max by (instance) (" + of("nodeagent_haproxy_connections") + ") / max by (instance) (" + of("nodeagent_haproxy_connections_limit") + ")", "{{instance}}"}).saying("No HAProxy"),
		graph("Queue", "Sessions that wait for a server of a backend.", "none", query{"max by (instance, backend) (" + of("nodeagent_haproxy_backend_queue") + ")", "{{instance}} {{backend}}"}).saying("No HAProxy"),
	}}
}
