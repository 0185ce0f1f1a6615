package main

// certificates are those that the agents find on their nodes.
func certificates() page {
	left := of("nodeagent_certificate_not_after_timestamp_seconds") + " - time()"
	all := table("Certificates, the first to end on top", "Every certificate and how long it lasts. A CA that ends takes all that it signed with it.", "s",
		[]string{"instance", "file", "ca", "Value"}, query{"sort(min by (instance, file, ca) (" + left + "))", ""})
	all.names = [][2]string{{"instance", "Node"}, {"file", "File"}, {"ca", "CA"}, {"Value", "Left"}}
	all.sort, all.from = "Left", []step{{-1e9, bad}, {7 * 86400, doubt}, {30 * 86400, good}}
	all.colour = "Left"
	return page{name: "certificates", title: "Certificates", about: "How long the certificates of the nodes last, and who serves an old one.", empty: "No certificates", panels: []panel{
		small("The first to end", "How long the first certificate of all lasts.", "s", "min("+left+")", nil, step{-1e9, bad}, step{7 * 86400, doubt}, step{30 * 86400, good}),
		small("Ended", "Certificates whose time is over.", "none", "sum("+left+" < bool 0)", nil, step{1, bad}),
		small("Within 7 days", "Certificates that end within 7 days, ended ones too.", "none", "sum("+left+" < bool 604800)", nil, step{1, bad}),
		small("Within 30 days", "Certificates that end within 30 days, ended ones too.", "none", "sum("+left+" < bool 2592000)", nil, step{1, doubt}),
		small("Certificates", "Certificates that were found on the nodes.", "none", "count("+of("nodeagent_certificate_not_after_timestamp_seconds")+")", nil),
		small("Conditions", "The worst of the conditions about certificates.", "none", "min("+of("nodeagent_condition", `condition=~"Certificate.*"`)+" < 2)", statuses),
		all,
		graph("Time left", "The ten certificates that end first.", "s", query{"bottomk(10, min by (instance, file) (" + left + "))", "{{instance}} {{file}}"}),
		states("Conditions of certificates", "Whether they last, are renewed, and are the ones that are served.", statuses, query{"min by (instance, condition) (" + of("nodeagent_condition", `condition=~"Certificate.*"`) + ") < 2", "{{instance}} {{condition}}"}),
	}}
}
