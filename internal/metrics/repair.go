package metrics

import "nodeagent/internal/view"

var (
	repairModeDesc   = desc("repair_mode_info", "What is done with repairs (off, dry-run, on): always 1.", "mode")
	repairActsDesc   = desc("repair_acts_total", "Repairs by what came of them: done, failed, would (in dry-run).", "action", "outcome")
	repairBudgetDesc = desc("repair_budget_left", "Repairs that are left of the day's budget.", "action")
	repairLatchDesc  = desc("repair_latched", "Whether a repair has used up its budget without helping and needs a person: 1 or 0.", "action")
)

func repairSamples(to *samples, p view.RepairPlan) {
	to.gauge(repairModeDesc, 1, p.Mode)
	for _, r := range p.Repairs {
		to.counter(repairActsDesc, float64(r.Done), r.Action, "done")
		to.counter(repairActsDesc, float64(r.Failed), r.Action, "failed")
		to.counter(repairActsDesc, float64(r.Would), r.Action, "would")
		to.gauge(repairBudgetDesc, float64(max(r.DayMost-r.Day, 0)), r.Action)
		to.gauge(repairLatchDesc, yes(!r.Latched.IsZero()), r.Action)
	}
}
