package config

import "time"

// Certificates says when a certificate of this node is worth a word.
type Certificates struct {
	// Time left below which CertificateRenewal fails. One that lives less than a year has less.
	RenewBefore time.Duration `yaml:"renewBefore" range:"1h..8760h"`
	// Time left below which Certificates fails. At most renewBefore.
	AlarmBefore time.Duration `yaml:"alarmBefore" range:"1h..8760h"`
	// As renewBefore, for a CA: its renewal touches every node.
	RenewCABefore time.Duration `yaml:"renewCABefore" range:"1h..87600h"`
}
