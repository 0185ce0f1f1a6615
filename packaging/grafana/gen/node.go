package main

// node is one node, or a few: everything that the agent says of itself and of the node.
func node() page {
	failing := table("What fails", "Each subject that fails or is not known, with its reason. nodeagent status on the node says what to do.", "none",
		[]string{"instance", "condition", "subject", "reason", "Value"},
		query{"max by (instance, condition, subject, reason) (" + of("nodeagent_condition") + " < 1)", ""})
	failing.names = [][2]string{{"instance", "Node"}, {"condition", "Condition"}, {"subject", "Subject"}, {"reason", "Reason"}, {"Value", "Status"}}
	failing.values, failing.colour, failing.sort, failing.descending = statuses, "Status", "Status", true
	muted := table("Mutes", "What a person said that they know of. It counts for nothing until its time is over.", "none", []string{"instance", "condition", "subject"},
		query{"max by (instance, condition, subject) (" + of("nodeagent_condition_muted") + ")", ""})
	muted.names, muted.hide = [][2]string{{"instance", "Node"}, {"condition", "Condition"}, {"subject", "Subject"}}, []string{"Value"}
	muted.width, failing.width = 8, 16
	each := func(title, about, unit, expr string) panel {
		return graph(title, about, unit, query{expr, "{{instance}}"})
	}
	return page{name: "node", title: "Node", about: "One node: its conditions over time, what fails, what was repaired, and the agent itself.", empty: "No agent is scraped", panels: []panel{
		small("Status", "The worst of the conditions that count.", "none", "min("+of("nodeagent_status")+")", statuses),
		small("Failing", "Subjects of conditions that fail.", "none", "sum("+of("nodeagent_condition")+" == bool 0)", nil, step{1, bad}),
		small("Unknown", "Subjects of conditions that could not be found out.", "none", "sum("+of("nodeagent_condition")+" == bool -1)", nil, step{1, doubt}),
		small("Agent runs since", "When the agent was started.", "dateTimeFromNow", "1000 * max("+of("process_start_time_seconds")+")", nil),
		small("Configuration", "Whether the files were accepted when they were last read.", "none", "min("+of("nodeagent_config_reload_success")+")", []value{{"1", "accepted", good}, {"0", "refused", bad}}),
		small("Maintenance", "Whether a person keeps the node away from its VIPs.", "none", "max("+of("nodeagent_maintenance")+")", []value{{"1", "yes", doubt}, {"0", "no", none}}),
		states("Conditions", "The worst subject of each condition that is not absent.", statuses, query{"min by (instance, condition) (" + of("nodeagent_condition") + ") < 2", "{{instance}} {{condition}}"}).high(18),
		failing.saying("Nothing fails"), muted.saying("Nothing is muted"),
		happenings("Repairs", "What the agent did or, in dry-run, would have done.", query{"sum by (instance, action, outcome) (" + increase("nodeagent_repair_acts_total") + ") > 0", "{{instance}} {{action}} {{outcome}}"}).saying("Nothing was repaired"),
		graph("Repairs that are left", "How often each may be done until the day's budget is used up. One that is latched needs a person.", "none",
			query{"min by (instance, action) (" + of("nodeagent_repair_budget_left") + ")", "{{instance}} {{action}}"}, query{"max by (instance, action) (" + of("nodeagent_repair_latched") + ") > 0", "{{instance}} {{action}} latched"}),
		each("CPU of the agent", "In cores.", "none", rate("process_cpu_seconds_total")),
		each("Memory of the agent", "Resident set.", "bytes", of("process_resident_memory_bytes")),
		each("Goroutines", "A number that only rises is a leak.", "none", of("go_goroutines")),
		happenings("Restarts of the agent's tasks", "A task that ended or panicked and was started again; Conditions says which.", query{"sum by (instance) (" + increase("nodeagent_task_restarts_total") + ")", "{{instance}}"}),
		graph("Parts of a scrape", "How long each part of the metrics takes.", "s", query{"max by (instance, collector) (" + of("nodeagent_collector_duration_seconds") + ")", "{{instance}} {{collector}}"}),
		graph("Answers of Kubernetes' components", "Mean time in which each answered the agent.", "s",
			query{"sum by (instance, component) (" + rate("nodeagent_component_answer_seconds_sum") + ") / sum by (instance, component) (" + rate("nodeagent_component_answer_seconds_count") + ")", "{{instance}} {{component}}"}).saying("No component of Kubernetes on these nodes"),
	}}
}
