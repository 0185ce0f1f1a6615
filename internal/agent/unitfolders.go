package agent

import (
	"fmt"
	"path/filepath"
	"slices"

	"nodeagent/internal/config"
)

// movedFolders names the folders that the unit makes and the configuration does not use. systemd tells of them in variables of the environment
// (systemd.exec(5)); the configuration alone decides where the agent writes, since commands, keepalived and nodeagent-check look there too and
// have no such variables. A drop-in of the unit that moves a folder so needs the key beside it.
func movedFolders(c config.Config, env func(string) string) []string {
	var out []string
	for _, f := range []struct{ variable, directive, key, value string }{
		{"RUNTIME_DIRECTORY", "RuntimeDirectory", "runDir", c.RunDir},
		{"STATE_DIRECTORY", "StateDirectory", "stateDir", c.StateDir},
	} {
		made := filepath.SplitList(env(f.variable))
		if len(made) == 0 || slices.Contains(made, filepath.Clean(f.value)) {
			continue
		}
		out = append(out, fmt.Sprintf("the unit's %s= makes %s, and %s is %s: set %s to that folder, or take the directive back", f.directive, made[0], f.key, f.value, f.key))
	}
	return out
}
