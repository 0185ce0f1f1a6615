package agent

import (
	"testing"

	"nodeagent/internal/keepalive/haproxy"
)

// A package's own configuration is no balancer that does not answer.
func TestBalancerView(t *testing.T) {
	for _, c := range []struct {
		name string
		of   haproxy.View
		want bool
	}{
		{"never looked", haproxy.View{}, false},
		{"its package alone", haproxy.View{File: "/etc/haproxy/haproxy.cfg", Absent: true}, false},
		{"down", haproxy.View{File: "/etc/haproxy/haproxy.cfg"}, true},
		{"a pod's", haproxy.View{PIDs: []int{7}, Answered: true}, true},
	} {
		if got := balancerView(c.of); (got != nil) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
