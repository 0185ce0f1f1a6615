package agent

import (
	"nodeagent/internal/component"
	"nodeagent/internal/component/certs"
	"nodeagent/internal/component/machine"
	"nodeagent/internal/health"
	"nodeagent/internal/netcheck"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod/conditions"
)

// Reasons of AgentConfig.
var (
	configRefused = &health.Reason{Name: "Refused", Fix: "Correct the file (`nodeagent config check`), then `nodeagent reload`; until then the configuration accepted before stays in force."}
	configOld     = &health.Reason{Name: "LastAccepted", Fix: "The files were bad at the start, so the last accepted configuration runs: correct them (`nodeagent config check`), then `nodeagent reload`."}
	configRestart = &health.Reason{Name: "NeedsRestart", Fix: "Restart the agent (`systemctl restart nodeagent`) for the named keys, or put them back."}
)

// agentConfig is about the configuration files.
var agentConfig = &health.Condition{
	Name:    "AgentConfig",
	Help:    "The configuration in force is the one in the files.",
	Impact:  health.Degraded,
	Reasons: []*health.Reason{configRefused, configOld, configRestart},
}

// Reasons of AgentTasks.
var (
	taskRestarting = &health.Reason{Name: "Restarting", Fix: "See the agent's log for why the task ended; report a panic as a bug."}
	taskStuck      = &health.Reason{Name: "Stuck", Fix: "If it stays, the watchdog restarts the agent; the goroutine dump is in its log."}
)

// agentTasks is one subject a task of the agent.
var agentTasks = &health.Condition{
	Name:    "AgentTasks",
	Help:    "Every part of the agent runs and makes progress.",
	Impact:  health.Degraded,
	Max:     48,
	Reasons: []*health.Reason{taskRestarting, taskStuck},
}

// parts of the agent with the conditions that each reports, in the order in which they are shown. Their names are those of the log's field
// component.
func parts(mode string) []part {
	var pods []*health.Condition
	switch mode {
	case "run":
		pods = []*health.Condition{conditions.RunMode, conditions.ManifestFolder, conditions.Manifests, conditions.StaticPods, nodeShutdown}
	case "companion":
		pods = []*health.Condition{conditions.Manifests, conditions.StaticPods}
	}
	return []part{
		{partRuntime, runtime.Conditions()},
		{partPods, pods},
		{partKubernetes, component.Conditions()},
		{partNetwork, netcheck.Conditions()},
		{partVIP, vipConditions()},
		{partRepair, repair.Conditions()},
		{partCertificates, certs.Conditions()},
		{partMachine, machine.Conditions()},
		{partAgent, []*health.Condition{agentConfig, agentTasks}},
	}
}

type part struct {
	name       string
	conditions []*health.Condition
}

// Names of the parts: a closed set, which docs/conditions.md lists.
const (
	partRuntime      = "runtime"
	partPods         = "staticpod"
	partKubernetes   = "component"
	partNetwork      = "netcheck"
	partVIP          = "keepalive"
	partRepair       = "repair"
	partCertificates = "certs"
	partMachine      = "machine"
	partAPI          = "api" // it reports no condition
	partAgent        = "agent"
)

// Conditions of this agent in a mode of staticPods, in the order in which they are shown.
func Conditions(mode string) []*health.Condition {
	var c []*health.Condition
	for _, p := range parts(mode) {
		c = append(c, p.conditions...)
	}
	return c
}

// partOf is the part that reports a condition of some mode.
func partOf(condition string) string {
	for _, p := range parts("run") {
		for _, c := range p.conditions {
			if c.Name == condition {
				return p.name
			}
		}
	}
	return partAgent
}

// conditionNames of every mode: what the configuration may name does not depend on the mode.
func conditionNames() []string {
	var names []string
	for _, c := range Conditions("run") {
		names = append(names, c.Name)
	}
	return names
}

// ConditionReasons are the names of each condition's own reasons, in every mode.
func ConditionReasons() map[string][]string {
	out := map[string][]string{}
	for _, c := range Conditions("run") {
		for _, r := range c.Reasons {
			out[c.Name] = append(out[c.Name], r.Name)
		}
	}
	return out
}
