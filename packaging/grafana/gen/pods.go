package main

// pods are the static pods of the chosen nodes.
func pods() page {
	each := func(metric string) string { return "sum by (instance, namespace, pod) (" + metric + ")" }
	const legend = "{{instance}} {{namespace}}/{{pod}}"
	all := table("Static pods", "Each pod with its readiness, its restarts and the last exit code of its containers.", "none",
		[]string{"instance", "namespace", "pod", "Value #A", "Value #B", "Value #C", "Value #D"},
		query{"min by (instance, namespace, pod) (" + of("nodeagent_static_pod_running") + ")", ""},
		query{"min by (instance, namespace, pod) (" + of("nodeagent_static_pod_ready") + ")", ""},
		query{each(of("nodeagent_static_pod_restarts_total")), ""},
		query{"max by (instance, namespace, pod) (" + of("nodeagent_static_pod_last_exit_code") + ")", ""})
	all.names = [][2]string{{"instance", "Node"}, {"namespace", "Namespace"}, {"pod", "Pod"}, {"Value #A", "Running"}, {"Value #B", "Ready"}, {"Value #C", "Restarts"}, {"Value #D", "Last exit code"}}
	all.sort = "Ready"
	return page{name: "static-pods", title: "Static pods", about: "The static pods of the chosen nodes, run by the agent or by a kubelet.", empty: "No static pods", panels: []panel{
		small("Running", "Pods that run with all their containers.", "none", "sum("+of("nodeagent_static_pod_running")+" == bool 1)", nil),
		small("Not running", "Pods of which a container does not run.", "none", "sum("+of("nodeagent_static_pod_running")+" == bool 0)", nil, step{1, bad}),
		small("Not ready", "Pods whose readiness probe does not pass.", "none", "sum("+of("nodeagent_static_pod_ready")+" == bool 0)", nil, step{1, bad}),
		small("Unknown", "Pods of which it could not be found out.", "none", "sum("+of("nodeagent_static_pod_running")+" == bool -1)", nil, step{1, doubt}),
		small("Restarts", "Restarts of containers in the time that is shown.", "none", "sum(increase("+of("nodeagent_static_pod_restarts_total")+"[$__range]))", nil, step{1, doubt}),
		small("OOM kills", "Processes that the kernel killed for want of memory in the time that is shown.", "none", "sum(increase("+of("nodeagent_static_pod_oom_kills_total")+"[$__range]))", nil, step{1, bad}),
		all,
		states("Ready", "Whether each pod runs and its readiness probes pass.", yesNo, query{"min by (instance, namespace, pod) (" + of("nodeagent_static_pod_ready") + ")", legend}),
		graph("Pods by phase", "How many pods are in each phase.", "none", query{"sum by (phase) (" + of("nodeagent_static_pods") + ") > 0", "{{phase}}"}),
		happenings("Restarts", "Restarts of the containers of each pod.", query{each(increase("nodeagent_static_pod_restarts_total")), legend}),
		graph("CPU", "In cores.", "none", query{each(rate("nodeagent_static_pod_cpu_seconds_total")), legend}),
		graph("CPU held back", "Share of time for which a limit held the pod back.", "percentunit", query{each(rate("nodeagent_static_pod_cpu_throttled_seconds_total")), legend}),
		graph("Memory", "What counts against the pod's limit.", "bytes", query{each(of("nodeagent_static_pod_memory_working_set_bytes")), legend}),
		graph("Memory of the limit", "Share of the pod's limit that is used; pods without a limit have none.", "percentunit",
			query{each(of("nodeagent_static_pod_memory_working_set_bytes")) + " / " + each(of("nodeagent_static_pod_memory_limit_bytes")), legend}).saying("No pod has a limit"),
		happenings("OOM kills", "Processes that the kernel killed for want of memory.", query{each(increase("nodeagent_static_pod_oom_kills_total")), legend}),
		graph("Time to the next start", "How long a pod in back-off waits.", "s", query{"max by (instance, namespace, pod) (" + of("nodeagent_static_pod_next_start_timestamp_seconds") + ") - time() > 0", legend}).saying("No pod waits"),
	}}
}
