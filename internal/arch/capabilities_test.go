package arch

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// capabilities of a unit's CapabilityBoundingSet lines, without CAP_, sorted. systemd joins the lines.
func capabilities(unit map[string][]string) []string {
	var out []string
	for _, line := range unit["Service/CapabilityBoundingSet"] {
		for name := range strings.FieldsSeq(line) {
			out = append(out, strings.TrimPrefix(name, "CAP_"))
		}
	}
	slices.Sort(out)
	return out
}

var capabilityName = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)*\b`)

// documentedCapabilities reads the page: the two cells of the profiles' row, and the first cells of the table below it.
func documentedCapabilities(page string) (companion, run, explained []string) {
	names := func(s string) []string { return capabilityName.FindAllString(s, -1) }
	table := false
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			table = false
		case strings.HasPrefix(line, "| capabilities |") && len(cells) == 3:
			companion, run = names(cells[1]), names(cells[2])
		case strings.HasPrefix(line, "| Capability |"):
			table = true
		case table && len(cells) == 3:
			explained = append(explained, names(cells[0])...)
			if len(strings.Fields(cells[1])) < 1 {
				explained = append(explained, cells[0]+" has no reason")
			}
		}
	}
	if strings.Contains(page, "| these, and") {
		run = append(run, companion...)
	}
	slices.Sort(companion)
	slices.Sort(run)
	slices.Sort(explained)
	return companion, run, explained
}

// TestCapabilitiesHaveReasons holds docs/install.md against the units.
func TestCapabilitiesHaveReasons(t *testing.T) {
	unit := capabilities(directives(read(t, "packaging/systemd/nodeagent.service")))
	profile := append(capabilities(directives(read(t, "packaging/systemd/profiles/run.conf"))), unit...)
	slices.Sort(profile)
	companion, run, explained := documentedCapabilities(string(read(t, "docs/install.md")))
	if !slices.Equal(companion, unit) {
		t.Errorf("docs/install.md gives companion %q, the unit %q", companion, unit)
	}
	if !slices.Equal(run, profile) {
		t.Errorf("docs/install.md gives run %q, the unit with its profile %q", run, profile)
	}
	if !slices.Equal(explained, profile) {
		t.Errorf("docs/install.md explains %q, the unit with its profile has %q", explained, profile)
	}
}

func TestDocumentedCapabilities(t *testing.T) {
	companion, run, explained := documentedCapabilities("| capabilities | NET_RAW | these, and CHOWN, SYS_ADMIN |\n\n| Capability | For |\n\n| Capability | For | Without |\n| --- | --- | --- |\n| NET_RAW | probes | none |\n| SYS_ADMIN, CHOWN | mounts | none |\n\n| OTHER | is | not |\n")
	if !slices.Equal(companion, []string{"NET_RAW"}) || !slices.Equal(run, []string{"CHOWN", "NET_RAW", "SYS_ADMIN"}) || !slices.Equal(explained, []string{"CHOWN", "NET_RAW", "SYS_ADMIN"}) {
		t.Errorf("read %q, %q, %q", companion, run, explained)
	}
}
