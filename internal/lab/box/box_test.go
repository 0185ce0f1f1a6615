package box

import (
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "..", "A", "a-b", strings.Repeat("a", 21)} {
		if _, err := Start(t.Context(), name, t.TempDir()); err == nil {
			t.Errorf("a box was named %q", name)
		}
		if err := Cleanup(name); err == nil {
			t.Errorf("%q was cleaned up", name)
		}
	}
}

func TestArguments(t *testing.T) {
	a := arguments("bookworm")
	if a[len(a)-1] != "bookworm" || !slices.Contains(a, "--format=directory") {
		t.Errorf("mmdebstrap's arguments are %q", a)
	}
	t.Setenv("XDG_CACHE_HOME", "/c")
	if dir := CacheDir(); dir != "/c/nodeagent-test" {
		t.Errorf("the cache is %s", dir)
	}
	if got := last([]byte(strings.Repeat("a", 3000) + "end\n")); len(got) > 2000 || !strings.HasSuffix(got, "end") {
		t.Errorf("the end is %q", got)
	}
}
