package agent

import (
	"reflect"
	"testing"

	"nodeagent/internal/repair"
)

func TestKnownUnit(t *testing.T) {
	for _, state := range []string{"loaded", "masked", "error"} {
		u := repair.Unit{Name: "containerd.service", LoadState: state, KillMode: "process", Restarts: 3}
		if got := known(u); !reflect.DeepEqual(got, u) {
			t.Errorf("%+v gives %+v", u, got)
		}
	}
	removed := repair.Unit{Name: "containerd.service", LoadState: "not-found", KillMode: "control-group"} // systemd's defaults
	if got := known(removed); !reflect.DeepEqual(got, repair.Unit{}) {
		t.Errorf("%+v gives %+v", removed, got)
	}
}
