package runtime

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// CNIFolder is the folder of network configuration, looked at when the runtime says that it has none.
type CNIFolder struct {
	Dir  string
	Conf string // a file with a network in it that is there for longer than a runtime needs to load it; empty: none
}

const cniDefault = "/etc/cni/net.d"

// cniSettle is how long a runtime may take to load a new file. containerd and CRI-O do it at the file's event.
const cniSettle = 5 * time.Second

func readCNI(dir string, now time.Time) CNIFolder {
	f := CNIFolder{Dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return f
	}
	for _, e := range entries {
		if !slices.Contains([]string{".conflist", ".conf", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < cniSettle || info.Size() > 1<<20 {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil && isNetwork(b) {
			f.Conf = e.Name()
			return f
		}
	}
	return f
}

// isNetwork reports whether a file is a CNI network: a list of plugins, or one plugin.
func isNetwork(b []byte) bool {
	var c struct {
		Name    string `json:"name"`
		Type    string `json:"type"`
		Plugins []struct {
			Type string `json:"type"`
		} `json:"plugins"`
	}
	if json.Unmarshal(b, &c) != nil || strings.TrimSpace(c.Name) == "" {
		return false
	}
	return c.Type != "" || len(c.Plugins) > 0 && c.Plugins[0].Type != ""
}
