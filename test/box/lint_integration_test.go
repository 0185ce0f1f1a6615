//go:build integration

package box

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/lab/boxtest"
)

// TestLint: Debian's and rpm's own linters find nothing that has no reason beside it, and find what is broken.
func TestLint(t *testing.T) {
	boxtest.Beside(t)
	lintian := func(args ...string) error {
		return lint(t, "lintian", append([]string{"--allow-root", "--fail-on", "error,warning"}, args...)...)
	}
	if err := lintian(boxtest.ThisTree(t).Deb); err != nil {
		t.Error(err)
	}
	// Most of its time goes into the program, which this one lacks.
	small := boxtest.BreakDeb(t, boxtest.ThisTree(t).Plain, boxtest.Break("usr/bin/nodeagent", `(?s).*`, ""))
	if err := lintian("-C", "debian/copyright", boxtest.BreakDeb(t, small, boxtest.Break("usr/share/doc/nodeagent/copyright", `(?s).*`, ""))); err == nil || !strings.Contains(err.Error(), "copyright") {
		t.Errorf("of a package without a copyright lintian says %v", err)
	}
	if err := lint(t, "rpmlint", "--config", "../../packaging/rpmlint.toml", boxtest.ThisTree(t).RPM); err != nil {
		t.Error(err)
	}
	if err := lint(t, "rpmlint", boxtest.ThisTree(t).RPM); err == nil {
		t.Error("rpmlint has nothing to say: the filters are of no use")
	}
}

func lint(t *testing.T, name string, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
