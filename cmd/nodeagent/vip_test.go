package main

import (
	"net/netip"
	"testing"
	"time"

	"nodeagent/internal/keepalive/lint"
	"nodeagent/internal/view"
)

func TestVIPText(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)
	v := view.VIP{
		Named: true,
		Verdicts: []view.Verdict{
			{Policy: "vip", Number: -120, Word: "degraded", Since: at.Add(-40 * time.Second), Next: 0, NextAt: at.Add(3200 * time.Millisecond),
				Causes: []string{"HAProxy failing NoLiveBackend: no server of backend apis is live", "APIServer unknown: it was not looked at"}},
		},
		Instances: []view.VRRPInstance{
			{Name: "VI_1", Interface: "eth0", VRID: 77, Priority: 100, Effective: 1, State: "BACKUP", Since: at.Add(-38 * time.Second), Transitions: 3, Tracked: true,
				VIPs: []view.VIPState{{Address: "10.0.0.100/24"}}},
			{Name: "VI_of_another_cluster", Interface: "eth1", VRID: 12, Priority: 90, State: "MASTER", Since: at.Add(-30 * time.Hour),
				VIPs: []view.VIPState{{Address: "10.9.0.1/24", Present: true}, {Address: "10.9.0.2/24", Present: true}}},
		},
		Heard: []view.VRRPPeer{{Interface: "eth0", VRID: 77, Address: netip.MustParseAddr("10.0.0.12"), Version: 3, Priority: 90, Live: true, Instance: "VI_1", Last: at.Add(-time.Second)}},
		Balancer: &view.Balancer{Version: "2.6.12", Answered: true, Conns: 12, MaxConn: 4096, Backends: []view.Backend{{Name: "apis", Status: "DOWN", Servers: []view.BackendServer{
			{Name: "node1", Address: "10.0.0.11:6443", Status: "DOWN", Check: "L4CON"}, {Name: "node2", Address: "10.0.0.12:6443", Status: "UP", Check: "L7OK"}}}}},
		Changes: []view.VerdictChange{
			{At: at.Add(-26 * time.Hour), Policy: "vip", From: 0, To: -60, Word: "degraded", Cause: "APIServer failing Down", Would: true},
			{At: at.Add(-40 * time.Second), Policy: "vip", From: 0, To: -120, Word: "degraded", Cause: "HAProxy failing NoLiveBackend: no server of backend apis is live"},
		},
	}
	text := vipText(v, at, 80, painter{})
	golden(t, "vip", text)
	narrowerThan(t, 80, text)

	quiet := view.VIP{Verdicts: []view.Verdict{{Policy: "vip", Number: -100, Word: "maintenance", Since: at}}, Maintenance: &view.Maintenance{Until: at.Add(time.Hour), By: "root", Reason: "new disk"},
		Balancer: &view.Balancer{Version: "2.6.12"}}
	text = vipText(quiet, at, 80, painter{})
	golden(t, "vip-observed", text)
	narrowerThan(t, 80, text)
}

func TestLintText(t *testing.T) {
	text := lintText("/etc/keepalived/keepalived.conf", []lint.Problem{
		{Position: lint.Position{File: "/etc/keepalived/keepalived.conf", Line: 12}, Rule: "WeightTooSmall", Severity: lint.Error, Message: "weight -2 is smaller than the gap of 10 between the priorities, so that the VIP never moves", Fix: "Use a weight larger than the gap, such as -60."},
		{Position: lint.Position{File: "/etc/keepalived/keepalived.conf", Line: 30}, Rule: "PlainPassword", Severity: lint.Warning, Message: "auth_pass protects nothing", Fix: "Take it out."},
	}, 80, painter{})
	golden(t, "vip-lint", text)
	narrowerThan(t, 80, text)
}
