package dump

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Instance is one VRRP instance as keepalived dumps it.
type Instance struct {
	Name      string
	Base      int      // priority of its configuration
	Effective int      // with what is tracked added, as it adverts
	Fault     bool     // it is in FAULT, where the priority says nothing
	Scripts   []string // command lines of the scripts that it tracks; one that was switched off is not among them
}

// stateFault is keepalived's VRRP_STATE_FAULT.
const stateFault = 3

// maxDump bounds a dump: 256 instances take some 500 KiB.
const maxDump = 4 << 20

var errNoInstance = errors.New("read keepalived's dump: it has no instance")

// Parse reads a dump. One that is not written to its end is an error.
func Parse(b []byte) ([]Instance, error) {
	if len(b) > maxDump {
		return nil, fmt.Errorf("read keepalived's dump: longer than %d bytes", maxDump)
	}
	var all []struct {
		Data struct {
			Name      string   `json:"iname"`
			Base      int      `json:"base_priority"`
			Effective int      `json:"effective_priority"`
			State     int      `json:"state"`
			Scripts   []string `json:"track_script"`
		} `json:"data"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read keepalived's dump: %w", err)
	}
	var out []Instance
	for _, x := range all {
		if x.Data.Name == "" {
			continue
		}
		out = append(out, Instance{Name: x.Data.Name, Base: x.Data.Base, Effective: x.Data.Effective, Fault: x.Data.State == stateFault, Scripts: x.Data.Scripts})
	}
	if len(out) == 0 {
		return nil, errNoInstance
	}
	return out, nil
}
