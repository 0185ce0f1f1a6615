package agent

import (
	"strings"
	"testing"

	"nodeagent/internal/config"
)

func TestMovedFolders(t *testing.T) {
	for name, test := range map[string]struct {
		runtime, state string
		want           []string
	}{
		"no unit":          {"", "", nil},
		"the package's":    {"/run/nodeagent", "/var/lib/nodeagent", nil},
		"one more":         {"/run/other:/run/nodeagent", "/var/lib/nodeagent:/var/lib/x", nil},
		"one moved":        {"/run/other", "/var/lib/nodeagent", []string{"RuntimeDirectory= makes /run/other, and runDir is /run/nodeagent"}},
		"both moved":       {"/run/other", "/var/lib/x:/var/lib/y", []string{"runDir", "StateDirectory= makes /var/lib/x, and stateDir is /var/lib/nodeagent"}},
		"the folder above": {"/run", "", []string{"makes /run,"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := movedFolders(config.Default(), func(v string) string {
				return map[string]string{"RUNTIME_DIRECTORY": test.runtime, "STATE_DIRECTORY": test.state}[v]
			})
			if len(got) != len(test.want) {
				t.Fatalf("it says %q", got)
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("it says %q, want %q", got[i], want)
				}
			}
		})
	}
}
