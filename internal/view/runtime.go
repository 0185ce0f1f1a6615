package view

import "time"

// RuntimeDetails is what is known of the runtime beside its conditions.
type RuntimeDetails struct {
	At            time.Time         `json:"at"`
	Sandboxes     int               `json:"sandboxes"`
	Containers    int               `json:"containers"` // ended ones too
	Images        int               `json:"images"`
	CgroupDriver  string            `json:"cgroupDriver,omitempty"`
	CgroupVersion string            `json:"cgroupVersion,omitempty"` // v1, hybrid, v2
	PauseImage    string            `json:"pauseImage,omitempty"`
	Shim          string            `json:"shim,omitempty"` // version of containerd's shim on disk
	Unit          string            `json:"unit,omitempty"`
	Restarts      int               `json:"restarts"` // automatic ones of the unit within 20 minutes
	Handlers      []RuntimeHandler  `json:"handlers,omitempty"`
	ImageFs       []ImageFilesystem `json:"imageFilesystems,omitempty"`
}

// RuntimeHandler is one runtime handler with the OCI runtime behind it.
type RuntimeHandler struct {
	Handler string `json:"handler"`
	Runtime string `json:"runtime,omitempty"` // runc, crun ...; of a shim of another kind its file
	Version string `json:"version,omitempty"` // empty: not known
	Path    string `json:"path,omitempty"`    // empty: not found
	Default bool   `json:"default,omitempty"`
}

// ImageFilesystem is a file system that images or containers lie on.
type ImageFilesystem struct {
	Path       string `json:"path"`
	Bytes      uint64 `json:"bytes"`
	FreeBytes  uint64 `json:"freeBytes"`
	Inodes     uint64 `json:"inodes,omitempty"` // 0: no fixed number
	FreeInodes uint64 `json:"freeInodes,omitempty"`
}

// Canary is how one runtime handler did when it was last tried.
type Canary struct {
	Handler string       `json:"handler"`
	Path    string       `json:"path,omitempty"` // cri or native, whose times can't be compared; empty: not run
	At      time.Time    `json:"at"`
	OK      bool         `json:"ok"`
	Off     string       `json:"off,omitempty"`   // why it was not run
	Error   string       `json:"error,omitempty"` // of the first step that failed
	Steps   []CanaryStep `json:"steps,omitempty"`
}

// CanaryStep is one step of it: sandbox (cri alone), create, start, exec, stop, remove.
type CanaryStep struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}
