package config

import "time"

// RuntimeCanary says when a container that does nothing is started and ended.
type RuntimeCanary struct {
	// From one to the next, such as 10m; after one that failed 5m at most. 0s: only by hand, with nodeagent canary.
	Every time.Duration `yaml:"every" range:"0s..24h"`
	// Deadline of each of its steps.
	StepTimeout time.Duration `yaml:"stepTimeout" range:"1s..5m"`
}
