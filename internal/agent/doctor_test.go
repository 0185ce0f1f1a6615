package agent

import (
	"testing"

	"nodeagent/internal/component/doctor"
)

// TestDoctorKnowsEveryCondition: a condition without a place in the order would be shown as the agent's own trouble.
func TestDoctorKnowsEveryCondition(t *testing.T) {
	own := map[string]bool{"AgentConfig": true, "AgentTasks": true, "RepairsLatched": true, "RepairHand": true}
	for _, mode := range []string{"run", "companion", "off"} {
		for _, c := range Conditions(mode) {
			if step := doctor.StepOf(c.Name, ""); (step == "agent") != own[c.Name] {
				t.Errorf("%s belongs to %s: give it a place in internal/component/doctor/order.go", c.Name, step)
			}
		}
	}
}
