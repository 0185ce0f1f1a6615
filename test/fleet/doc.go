// Package fleet stands for many nodes: simulated agents, with the agent's real metrics and its real conditions over a made-up state, and a
// Prometheus that scrapes them. The dashboards are tested on it, and rules and queries are measured with a thousand of them.
package fleet
