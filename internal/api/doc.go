// Package api shows the node to people and machines: HTTP and JSON on a unix socket, and a TCP listener for Prometheus.
//
// The socket answers reads to whoever may open it (root and one group) and verbs to uid 0 alone, by the peer's credentials as the kernel
// gives them. The TCP listener has /metrics, /-/healthy, /-/ready, the status page and a page that names them, under the web configuration
// file of exporter-toolkit (TLS, basic authentication), and what other nodes' agents ask; nothing else is there.
//
// Handlers read what a Backend hands them and hold nothing themselves. Verbs wait for their outcome, with a deadline. Both servers are
// tasks: they listen while Run runs and may be run again.
package api
