package main

// fleet is every node at once, the worst first.
func fleet() page {
	byNode := func(expr string) query { return query{expr, "{{instance}}"} }
	worst := table("Nodes, the worst first", "Every node with how much fails and is unknown on it, as conditions.rules.yml counts it: without what is muted. A node that is not here is not scraped.", "none",
		[]string{"instance", "Value #A", "Value #B", "Value #C", "version", "mode"},
		query{"sort(min by (instance) (" + of("nodeagent_status") + "))", ""},
		query{"max by (instance) (" + of("instance:nodeagent_condition:failing") + ")", ""},
		query{"max by (instance) (" + of("instance:nodeagent_condition:unknown") + ")", ""},
		query{"max by (instance, version) (" + of("nodeagent_build_info") + ")", ""},
		query{"max by (instance, mode) (" + of("nodeagent_mode_info") + ")", ""})
	worst.names = [][2]string{{"instance", "Node"}, {"Value #A", "Status"}, {"Value #B", "Failing"}, {"Value #C", "Unknown"}, {"version", "Version"}, {"mode", "Mode"}}
	worst.sort, worst.hide = "Status", []string{"Value #D", "Value #E"}
	worst.colour = "Status"
	worst.values = statuses
	failing := table("What fails", "Each subject that fails or is not known, with its reason, as conditions.rules.yml has it: without what is muted or under maintenance. nodeagent status on the node says what to do. The first 200.", "none",
		[]string{"instance", "condition", "subject", "reason", "Value"},
		query{"topk(200, max by (instance, condition, subject, reason) (" + of("instance_condition:nodeagent_condition:unwell") + "))", ""})
	failing.names = [][2]string{{"instance", "Node"}, {"condition", "Condition"}, {"subject", "Subject"}, {"reason", "Reason"}, {"Value", "Status"}}
	failing.values, failing.colour, failing.sort, failing.descending = statuses, "Status", "Status", true
	return page{name: "fleet", title: "Fleet", about: "Every node of the chosen clusters, the worst first.", empty: "No agent is scraped", panels: []panel{
		small("Nodes", "Agents that Prometheus is told to scrape.", "none", "count("+of("up")+")", nil),
		small("Not reached", "Agents that did not answer the last scrape.", "none", "count("+of("up")+") - sum("+of("up")+")", nil, step{1, bad}),
		small("Well", "Nodes of which everything that counts is ok.", "none", "sum("+of("nodeagent_status")+" == bool 1)", nil),
		small("Failing", "Nodes on which something that counts fails.", "none", "sum("+of("nodeagent_status")+" == bool 0)", nil, step{1, bad}),
		small("Unknown", "Nodes on which something that counts could not be found out.", "none", "sum("+of("nodeagent_status")+" == bool -1)", nil, step{1, doubt}),
		small("Maintenance", "Nodes that a person keeps away from their VIPs. Their alerts are quiet.", "none", "sum("+of("nodeagent_maintenance")+")", nil, step{1, doubt}),
		worst,
		states("The worst nodes over time", "Status of the 30 nodes that are worst at the end of the time that is shown.", statuses,
			byNode("min by (instance) ("+of("nodeagent_status")+") and on (instance) bottomk(30, min by (instance) (last_over_time("+of("nodeagent_status")+"[1m] @ end())))")).high(12),
		failing.saying("Nothing fails"),
		graph("Nodes by status", "How many nodes are well, failing or unknown.", "none",
			query{"sum(" + of("nodeagent_status") + " == bool 1)", "ok"}, query{"sum(" + of("nodeagent_status") + " == bool 0)", "failing"}, query{"sum(" + of("nodeagent_status") + " == bool -1)", "unknown"}),
		graph("Failing subjects by condition", "How many subjects of each condition fail on all nodes. Of a recording rule of node.rules.yml, since it adds up every node's conditions.", "none",
			query{`sum by (condition) (job_condition:nodeagent_condition:failing{cluster=~"$cluster",job=~"$job"}) > 0`, "{{condition}}"}).saying("Nothing fails"),
		graph("CPU of the agents", "The ten agents that use the most, in cores.", "none", byNode("topk(10, "+rate("process_cpu_seconds_total")+")")),
		graph("Memory of the agents", "The ten agents that use the most.", "bytes", byNode("topk(10, "+of("process_resident_memory_bytes")+")")),
		graph("Versions", "How many nodes run each version of the agent.", "none", query{"count by (version) (" + of("nodeagent_build_info") + ")", "{{version}}"}),
		graph("Scrapes", "The ten agents whose scrape takes the longest.", "s", byNode("topk(10, "+of("scrape_duration_seconds")+")")),
	}}
}
