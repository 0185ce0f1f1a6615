package view

import "time"

// Certificate is one that was found on this node. It holds nothing secret.
type Certificate struct {
	File     string    `json:"file"`
	Name     string    `json:"name,omitempty"` // common name
	CA       bool      `json:"ca,omitempty"`
	NotAfter time.Time `json:"notAfter"` // of the chain's first to end
}
