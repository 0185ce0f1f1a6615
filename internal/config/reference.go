package config

import (
	"bytes"
	_ "embed"
)

//go:embed reference.yaml
var reference []byte

// Reference is the commented configuration file that ships with nodeagent: every key with its default. Lines that begin
// with "## " are prose; of the others, removing "# " gives the file that says what an empty one means.
func Reference() []byte { return bytes.Clone(reference) }
