package view

import "time"

// RepairPlan is what the agent would mend now.
type RepairPlan struct {
	Mode    string   `json:"mode"` // off, dry-run, on
	Repairs []Repair `json:"repairs"`
}

// Repair is one action with its budget.
type Repair struct {
	Action     string         `json:"action"`
	Help       string         `json:"help"`
	Hour       int            `json:"hour"` // acts within the last hour
	HourMost   int            `json:"hourMost"`
	Day        int            `json:"day"` // within the last 24 hours
	DayMost    int            `json:"dayMost"`
	Latched    time.Time      `json:"latched,omitzero"` // since when it needs a person
	LatchedWhy string         `json:"latchedWhy,omitempty"`
	Done       uint64         `json:"done"` // since the agent's start
	Failed     uint64         `json:"failed"`
	Would      uint64         `json:"would"` // in dry-run
	Wanted     []WantedRepair `json:"wanted,omitempty"`
}

// WantedRepair is trouble that an action would end.
type WantedRepair struct {
	Target  string    `json:"target"`
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
	Now     bool      `json:"now"` // it would be done when it is asked for next
	Because string    `json:"because"`
	At      time.Time `json:"at,omitzero"` // when it may be, if by time alone
}

// ClearRequest asks that repairs which need a person go on.
type ClearRequest struct {
	Action string `json:"action,omitempty"` // empty: all
}

// ClearResult names those that do.
type ClearResult struct {
	Cleared []string `json:"cleared"`
}
