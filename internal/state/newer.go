package state

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Format is the newest version that a file of the folder may have. A package that raises the version of its own files beyond it raises Format
// too: an older agent then refuses the whole folder, where it would have lost a part of what it holds.
const Format = 1

// Newer gives a *VersionError for a folder in which a newer agent has written, nil for one that this agent may use. It changes nothing, and
// judges only what it may read. Files that are no state are left to those who load them.
func Newer(dir string) error {
	// Names hold at most one slash.
	for _, pattern := range []string{"*.json", filepath.Join("*", "*.json")} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range files {
			if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
				continue
			}
			b, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			var e envelope
			if json.Unmarshal(b, &e) == nil && e.Version > Format && e.Data != nil {
				return &VersionError{Path: path, Found: e.Version, Want: Format}
			}
		}
	}
	return nil
}
