package main

import (
	"testing"
	"time"

	"nodeagent/internal/view"
)

func TestRepairText(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	p := view.RepairPlan{Mode: "dry-run", Repairs: []view.Repair{
		{Action: "restart-runtime", Help: "restarts the unit of a container runtime that has hung or failed", HourMost: 2, DayMost: 4, Day: 1, Wanted: []view.WantedRepair{
			{Target: "containerd.service", Why: "RuntimeResponsive Hung: Version did not answer within 3s", Since: at.Add(-90 * time.Second), Because: "dry-run: would have been done 20s ago", At: at.Add(14 * time.Minute)}}},
		{Action: "flannel-route", Help: "puts back a route to a peer that flanneld has lost", HourMost: 30, DayMost: 200},
		{Action: "restart-kubelet", Help: "restarts a kubelet that is stuck", HourMost: 1, Hour: 1, DayMost: 2, Day: 2, Latched: at.Add(-time.Hour), LatchedWhy: "1 acts within one hour did not help",
			Wanted: []view.WantedRepair{{Target: "kubelet.service", Why: "x", Since: at.Add(-time.Minute), Now: true}}},
	}}
	text := repairText(p, at, 80, painter{})
	golden(t, "repair", text)
	narrowerThan(t, 80, text)
}
