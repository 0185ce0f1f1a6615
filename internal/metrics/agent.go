package metrics

import (
	"time"

	"nodeagent/internal/view"
)

var (
	runtimeDesc  = desc("runtime_info", "The CRI runtime as last seen: always 1.", "name", "version", "api")
	modeDesc     = desc("mode_info", "What the agent does with static pods (companion, run, off): always 1.", "mode")
	reloadDesc   = desc("config_reload_success", "Whether the configuration was accepted when it was last read: 1 or 0.")
	reloadAtDesc = desc("config_reload_timestamp_seconds", "When the configuration was last read.")
	tasksDesc    = desc("task_restarts_total", "Times a task of the agent ended or panicked and was started again. The condition AgentTasks names the task.")
)

// parts are the collectors of what the sources have.
func parts(s Sources) []part {
	var out []part
	if s.Snapshot != nil {
		out = append(out, part{"conditions", conditions(s.Snapshot, s.Mutes)})
	}
	if s.Pods != nil {
		out = append(out, part{"static_pods", pods(s.Pods)})
	}
	if s.Runtime != nil {
		out = append(out, part{"runtime", func(to *samples) { runtimeSamples(to, s.Runtime()) }})
	}
	if s.Network != nil {
		out = append(out, part{"network", func(to *samples) { networkSamples(to, s.Network()) }})
	}
	if s.Certificates != nil {
		out = append(out, part{"certificates", func(to *samples) { certificateSamples(to, s.Certificates()) }})
	}
	if s.VIP != nil {
		out = append(out, part{"vip", func(to *samples) { vipSamples(to, s.VIP()) }})
	}
	if s.Repairs != nil {
		out = append(out, part{"repairs", func(to *samples) { repairSamples(to, s.Repairs()) }})
	}
	if s.Components != nil && s.Roles != nil {
		out = append(out, part{"components", func(to *samples) { componentSamples(to, s.Components(), s.Roles()) }})
	}
	return append(out, part{"agent", func(to *samples) { agentSamples(to, s) }})
}

func runtimeSamples(to *samples, r view.Runtime) {
	if r.Name != "" { // before the first answer there is nothing to say
		to.gauge(runtimeDesc, 1, r.Name, r.Version, r.API)
	}
	detailSamples(to, r)
}

func agentSamples(to *samples, s Sources) {
	if s.Mode != nil {
		to.gauge(modeDesc, 1, s.Mode())
	}
	if s.Reload != nil {
		if ok, at := s.Reload(); !at.IsZero() {
			to.gauge(reloadDesc, yes(ok))
			to.gauge(reloadAtDesc, seconds(at.Round(time.Millisecond)))
		}
	}
	if s.Tasks != nil {
		var all uint64
		for _, n := range s.Tasks() {
			all += n
		}
		to.counter(tasksDesc, float64(all))
	}
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
