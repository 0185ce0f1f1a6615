// Package agent is the daemon: it builds the tasks from the configuration, hands each module what it needs of the others, runs the
// tasks under one supervisor, and talks to systemd.
//
//	load config -> take the state folder -> board, timeline, metrics -> runtime, static pods -> API
//	  -> READY once every first look is over, or after 5 s -> run -> stop: pods and VIP are left as they are
//
// A task that panics or returns is run again with back-off and is the condition AgentTasks; only a configuration that is bad at the very
// first start, a state folder of another agent, and a taken listen address end the process.
package agent
