package component

import (
	"testing"
	"time"

	"nodeagent/internal/health"
)

// TestStarting: an apiserver takes connections before it has reached etcd. That is no hang, unless it lasts or something stopped the process.
func TestStarting(t *testing.T) {
	for _, tt := range []struct {
		name    string
		process *process
		want    *health.Reason
	}{
		{"young", &process{pid: 7, age: 4 * time.Second}, apiNotListening},
		{"old", &process{pid: 7, age: 2 * time.Minute}, apiHung},
		{"young and stopped", &process{pid: 7, age: 4 * time.Second, state: 'T'}, apiHung},
		{"young and waits for a disk", &process{pid: 7, age: 4 * time.Second, state: 'D'}, apiHung},
		{"of unknown age", &process{pid: 7}, apiHung},
		{"no process seen", nil, apiHung},
	} {
		f, bad := judgeReach(found{process: tt.process}, "kube-apiserver", "192.0.2.10:6443", apiReasons, answer{outcome: hung, detail: "no TLS handshake"})
		if !bad || f.Reason != tt.want {
			t.Errorf("%s: %s (%s), want %s", tt.name, f.Reason.Name, f.Message, tt.want.Name)
		}
	}
}
