package keepalive

import (
	"fmt"
	"time"
)

// Maintenance says that a person wants this node without the VIP for a while. The zero value is none.
type Maintenance struct {
	Until  time.Time `json:"until"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// In reports whether it is in force.
func (m Maintenance) In(now time.Time) bool { return now.Before(m.Until) }

func (m Maintenance) String() string {
	s := fmt.Sprintf("under maintenance until %s", m.Until.Format(time.RFC3339))
	if m.Reason != "" {
		s += ": " + m.Reason
	}
	return s
}

// MaxMaintenance is the longest that may be asked for.
const MaxMaintenance = 744 * time.Hour

// maintenanceVersion is of the state file "maintenance".
const maintenanceVersion = 1

// Loader reads what was kept.
type Loader interface {
	Load(name string, version int, v any) (found bool, err error)
}

// Store keeps what must survive the agent, as internal/state's Folder does.
type Store interface {
	Loader
	Save(name string, version int, v any) error
	SaveDurable(name string, version int, v any) error
	Delete(name string) error
}
