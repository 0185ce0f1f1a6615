package config

import "time"

// Repair says what the agent may do to the node beyond its pods and verdicts.
type Repair struct {
	// off does nothing, dry-run says what would be done, on does it.
	Mode string `yaml:"mode" oneof:"off|dry-run|on"`
	// Repairs that are never done, such as [restart-runtime]; nodeagent repair plan lists the names.
	Disabled []string `yaml:"disabled" form:"repair"`
	// Bounds of the restarts of units, such as {restart-runtime: {after: 5m}}. What is not given is as docs/repair.md has
	// it. A restart takes:
	Restarts map[string]Restart `yaml:"restarts" keys:"restart"`
}

// Restart bounds one kind of restart; 0 is not given.
type Restart struct {
	// How long its trouble has to last.
	After time.Duration `yaml:"after" range:"10s..24h"`
	// The most that this node's share, found from its name, makes that longer.
	Spread time.Duration `yaml:"spread" range:"1s..1h"`
	// How long a unit is left alone after it was started, by anybody.
	Young time.Duration `yaml:"young" range:"1s..24h"`
	// How long after a restart there is none.
	Cooldown time.Duration `yaml:"cooldown" range:"1m..24h"`
}
