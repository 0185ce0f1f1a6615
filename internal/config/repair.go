package config

// Repair says what the agent may do to the node beyond its pods and verdicts.
type Repair struct {
	// off does nothing, dry-run says what would be done, on does it.
	Mode string `yaml:"mode" oneof:"off|dry-run|on"`
	// Repairs that are never done, such as [restart-runtime]; nodeagent repair plan lists the names.
	Disabled []string `yaml:"disabled" form:"repair"`
}
