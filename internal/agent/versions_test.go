package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nodeagent/internal/state"
)

// versions has what an agent of each format left behind: NUMBER/ is a whole state folder.
const versions = "../state/testdata"

// TestStateOfEveryVersion starts this agent over what each older one wrote: all of it is read, and what a person decided is in force.
func TestStateOfEveryVersion(t *testing.T) {
	folders, err := os.ReadDir(versions)
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) != state.Format {
		t.Errorf("%s has %d folders: one for each format up to %d is wanted, with the files of an agent that wrote it", versions, len(folders), state.Format)
	}
	for _, f := range folders {
		t.Run(f.Name(), func(t *testing.T) {
			if n, err := strconv.Atoi(f.Name()); err != nil || n < 1 || n > state.Format {
				t.Fatalf("%s is no format of this agent", f.Name())
			}
			p := newPlace(t, "nodeName: \"\"")
			if err := os.CopyFS(p.state, os.DirFS(filepath.Join(versions, f.Name()))); err != nil {
				t.Fatal(err)
			}
			a := p.build(t)
			if got := a.folder.Instance(); got != "70b311aa42814e9c" {
				t.Errorf("the instance is %s: pods that run would be strangers", got)
			}
			if len(a.mutes.list) != 1 || a.mutes.list[0].Condition != "NetworkReady" {
				t.Errorf("the mutes are %+v", a.mutes.list)
			}
			for _, name := range []string{"mutes", "maintenance", "repair", "config", "node", "vrrp", "folder", "gate", "companion", "removed-logs", "pods", "manifests"} {
				if matches, _ := filepath.Glob(filepath.Join(p.state, name+"*")); len(matches) == 0 {
					t.Errorf("the format's folder has no %s", name)
				}
			}
			damaged, _ := filepath.Glob(filepath.Join(p.state, "*.damaged"))
			deeper, _ := filepath.Glob(filepath.Join(p.state, "*", "*.damaged"))
			if all := append(damaged, deeper...); len(all) > 0 {
				t.Errorf("it could not read %s", strings.Join(all, ", "))
			}
		})
	}
}
