package config

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// acceptedVersion is the version of the format below. A reader of an older version refuses a newer one by its number
// and leaves it as it is; a field added without a new version is ignored by older readers.
const acceptedVersion = 1

// accepted is the last accepted configuration as it is kept in the state folder: the sources, not the values, so that a
// newer agent reads them with its own defaults and a person finds the lines that were written.
type accepted struct {
	Version int            `json:"version"`
	Files   []acceptedFile `json:"files"`
}

type acceptedFile struct {
	Path string `json:"path"`
	Text string `json:"text"` // accepted files are UTF-8
}

// Accepted is what FromAccepted reads back.
func (l *Loaded) Accepted() []byte {
	a := accepted{Version: acceptedVersion, Files: []acceptedFile{}}
	for _, f := range l.Raw {
		a.Files = append(a.Files, acceptedFile{f.Path, string(f.Data)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(a); err != nil {
		panic(err) // a struct of strings always encodes
	}
	return b.Bytes()
}

// FromAccepted reads what Accepted wrote and parses it anew with o (KnownConditions; its paths are not read). The error
// is an *Error if a value is no longer accepted, and another one if data is damaged or of a newer version.
func FromAccepted(data []byte, o Options) (*Loaded, error) {
	var a accepted
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("read the last accepted config: %w", err)
	}
	if a.Version != acceptedVersion {
		return nil, fmt.Errorf("read the last accepted config: it has version %d and this nodeagent reads %d; install the newer nodeagent, or remove it", a.Version, acceptedVersion)
	}
	files := make([]SourceFile, len(a.Files))
	for i, f := range a.Files {
		files[i] = SourceFile{f.Path, []byte(f.Text)}
	}
	return Parse(files, o)
}
