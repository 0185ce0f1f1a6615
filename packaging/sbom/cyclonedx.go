package main

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// document is a bill of materials as CycloneDX 1.5 has it: the fields that are used here.
type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp,omitempty"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

// property has Go's checksum of a module: it is of the module's tree and not of a file, so that it is no "hash" of CycloneDX.
type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func bill(name, version, at, toolchain string, modules []module) document {
	d := document{Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata:   metadata{Timestamp: at, Component: component{Type: "application", Name: name, Version: version}},
		Components: []component{{Type: "library", Name: "std", Version: toolchain, PURL: "pkg:golang/std@" + strings.TrimPrefix(toolchain, "go")}},
	}
	for _, m := range modules {
		c := component{Type: "library", Name: m.path, Version: m.version, PURL: "pkg:golang/" + m.path + "@" + m.version}
		if sum := treeSum(m.sum); sum != "" {
			c.Properties = []property{{Name: "go:h1", Value: sum}}
		}
		d.Components = append(d.Components, c)
	}
	return d
}

// treeSum is Go's checksum h1:BASE64 in hexadecimal; empty for any other.
func treeSum(sum string) string {
	b, ok := strings.CutPrefix(sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(b)
	if !ok || err != nil {
		return ""
	}
	return hex.EncodeToString(raw)
}
