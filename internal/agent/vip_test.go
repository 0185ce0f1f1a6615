package agent

import (
	"reflect"
	"testing"
	"time"

	"nodeagent/internal/config"
	"nodeagent/internal/keepalive"
)

func TestPolicies(t *testing.T) {
	two := keepalive.TwoTiers("vip", "HAProxy", "APIServer")
	own := two
	own.Name, own.Rise, own.Counts = "own", time.Second, []keepalive.Count{
		{Condition: "HAProxy", Weight: -120, Fault: []string{"Down"}}, {Condition: "APIServer", Weight: keepalive.DefaultWeight}, {Condition: "NetworkReady", Weight: -5, Subject: "x"}}
	for name, tc := range map[string]struct {
		named map[string]config.Policy
		want  []keepalive.Policy
	}{
		"none":           {nil, []keepalive.Policy{two}},
		"own conditions": {map[string]config.Policy{"own": {Rise: time.Second, Counts: map[string]config.Count{"APIServer": {}, "HAProxy": {Weight: -120, Fault: []string{"Down"}}, "NetworkReady": {Weight: -5, Subject: "x"}}}}, []keepalive.Policy{own}},
	} {
		got := policies(tc.named)
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, tc.want)
		}
		for _, p := range got {
			if err := p.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
