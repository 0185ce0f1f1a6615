package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNewestLogs are those of the attempt that wrote last and of the one before it: a new one that is still silent hides nothing.
func TestNewestLogs(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"default_web_1/web/7.log":     "2026-11-28T00:00:00Z stderr F long ago\n",
		"default_web_1/web/8.log":     "2026-11-28T00:00:01Z stderr F the last words\n",
		"default_web_1/web/9.log":     "2026-11-28T00:00:02Z stderr F begins\n",
		"default_web_1/web/10.log":    "",
		"default_quiet_2/quiet/0.log": "",
	} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := newestLogs(root)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimPrefix(p, root+"/")
	}
	if want := []string{"default_web_1/web/9.log", "default_web_1/web/8.log"}; !slices.Equal(paths, want) {
		t.Errorf("%q, want %q", paths, want)
	}
}
