package main

// runtime is the CRI runtime and the OCI runtimes below it.
func runtime() page {
	info := table("Runtimes", "The CRI runtime of each node, and the OCI runtimes that its handlers name.", "none",
		[]string{"instance", "name", "handler", "runtime", "version", "api"},
		query{"max by (instance, name, version, api) (" + of("nodeagent_runtime_info") + ")", ""},
		query{"max by (instance, handler, runtime, version) (" + of("nodeagent_oci_runtime_info") + ")", ""})
	info.names = [][2]string{{"instance", "Node"}, {"name", "CRI runtime"}, {"handler", "Handler"}, {"runtime", "OCI runtime"}, {"version", "Version"}, {"api", "API"}}
	info.hide = []string{"Value #A", "Value #B"}
	info.height = 6
	const node = "{{instance}}"
	each := func(title, about, unit, metric string) panel {
		return graph(title, about, unit, query{"max by (instance) (" + of(metric) + ")", node})
	}
	return page{name: "runtime", title: "Runtime", about: "The container runtime: what it answers and how fast, runc beside crun, its disk.", empty: "No runtime was found", panels: []panel{
		info,
		states("Conditions of the runtime", "The worst subject of each condition about the runtime.", statuses,
			query{"min by (instance, condition) (" + of("nodeagent_condition", `condition=~"Runtime.*|NetworkReady|OCIRuntimes|ImageFilesystem|PauseImage|CgroupDriver|ShimVersion|PodNames"`) + ") < 2", "{{instance}} {{condition}}"}).high(12),
		graph("Latency of calls", "99th percentile by kind of call, failed ones too.", "s", query{"histogram_quantile(0.99, sum by (le, kind) (" + rate("nodeagent_cri_request_duration_seconds_bucket") + "))", "{{kind}}"}),
		graph("Calls", "By method.", "reqps", query{"sum by (method) (" + rate("nodeagent_cri_requests_total") + ")", "{{method}}"}),
		graph("Failed calls", "By gRPC code. Unimplemented is a question that an older runtime does not know.", "reqps", query{"sum by (instance, code) (" + rate("nodeagent_cri_request_errors_total") + ") > 0", "{{instance}} {{code}}"}).saying("No call failed"),
		graph("Canary, by handler and step", "How long each step of the last canary pod took: runc beside crun.", "s", query{"max by (instance, handler, path, step) (" + of("nodeagent_canary_step_seconds") + ")", "{{instance}} {{handler}} {{path}} {{step}}"}).saying("No canary was run"),
		states("Canary", "Whether the last canary pod of each handler came up.", yesNo, query{"min by (instance, handler, path) (" + of("nodeagent_canary_success") + ")", "{{instance}} {{handler}} {{path}}"}).saying("No canary was run"),
		each("Containers", "Containers of the runtime, ended ones too.", "none", "nodeagent_runtime_containers"),
		each("Sandboxes", "Sandboxes of the runtime.", "none", "nodeagent_runtime_sandboxes"),
		each("Images", "Images that the runtime holds.", "none", "nodeagent_runtime_images"),
		graph("Restarts of the runtime's unit", "As systemd counts them.", "none", query{"max by (instance) (" + of("nodeagent_runtime_unit_restarts") + ")", node}).saying("No unit of systemd"),
		graph("Free space for images", "Share of the image file system that is free.", "percentunit",
			query{"min by (instance, path) (" + of("nodeagent_image_filesystem_free_bytes") + ") / max by (instance, path) (" + of("nodeagent_image_filesystem_size_bytes") + ")", "{{instance}} {{path}}"}),
		graph("Free inodes for images", "Inodes that are free on the image file system.", "none", query{"min by (instance, path) (" + of("nodeagent_image_filesystem_free_inodes") + ")", "{{instance}} {{path}}"}),
	}}
}
