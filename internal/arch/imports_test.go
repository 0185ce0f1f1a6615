package arch

import (
	"slices"
	"strings"
	"testing"
)

var (
	leaves  = []string{"internal/health", "internal/reconcile", "internal/view", "internal/event", "internal/state", "internal/procs"}
	modules = []string{"internal/runtime", "internal/staticpod", "internal/netcheck", "internal/keepalive", "internal/component",
		"internal/repair", "internal/metrics", "internal/api"}
	// wiring is what knows of several modules.
	wiring = []string{"internal/agent", "internal/config", "internal/demo"}
	// benches are for tests and the demo.
	benches = []string{"internal/crifake", "internal/lab"}
	// commandsUse is what a command's own code may know of.
	commandsUse = []string{"internal/agent", "internal/config", "internal/view", "internal/event", "internal/health", "internal/state", "internal/api/client",
		"internal/staticpod/manifest", "internal/staticpod/kubelet", "internal/staticpod/podlogs", "internal/staticpod/verify",
		"internal/component/collect", "internal/component/doctor", "internal/keepalive/lint", "internal/keepalive/snippet", "internal/demo", "internal/lab/workload", "packaging/manpage"}
)

// rule is one sentence of the diagram. A rule counts for test files too unless it says otherwise.
type rule struct {
	name    string
	why     string
	forbids func(e edge) bool
	once    bool // said once a package, whatever it imports
}

var rules = []rule{
	{
		name: "leaves import the standard library only",
		why:  "everything stands on them: what a leaf imports, every package and every test of it imports, and a leaf that knows a module closes a circle",
		forbids: func(e edge) bool {
			return below(e.from, leaves...) && !standard(e)
		},
	},
	{
		name: "modules never import one another",
		why:  "each declares the few calls that it needs as an interface of its own and agent hands it over; so each can be read, tested and replaced alone",
		forbids: func(e edge) bool {
			from, to := moduleOf(e.from), moduleOf(e.to)
			return e.own && from != "" && to != "" && from != to
		},
	},
	{
		name: "modules do not know what wires them",
		why:  "agent builds the modules and config is translated there: a module that reads either can't be used without the whole daemon",
		forbids: func(e edge) bool {
			return e.own && moduleOf(e.from) != "" && below(e.to, wiring...)
		},
	},
	{
		name: "config is imported by agent and cmd alone",
		why:  "each module has a Config of its own: a key that is renamed changes one file in agent and no module",
		forbids: func(e edge) bool {
			return e.own && below(e.to, "internal/config") && !below(e.from, "internal/agent", "internal/config", "cmd", "test")
		},
	},
	{
		name: "agent is imported by cmd alone",
		why:  "it is the top of the daemon: what imports it gets everything",
		forbids: func(e edge) bool {
			return e.own && below(e.to, "internal/agent") && !below(e.from, "internal/agent", "cmd", "test")
		},
	},
	{
		name: "agent imports config, modules and leaves",
		why:  "the daemon must not depend on its own demo or its commands",
		forbids: func(e edge) bool {
			return e.own && !e.test && below(e.from, "internal/agent") &&
				!below(e.to, slices.Concat([]string{"internal/agent", "internal/config"}, modules, leaves)...)
		},
	},
	{
		name: "the API's client imports view and event alone",
		why:  "it is linked by every command, and shares the JSON types with the server and nothing else",
		forbids: func(e edge) bool {
			return !e.test && below(e.from, "internal/api/client") && !standard(e) && !below(e.to, "internal/view", "internal/event")
		},
	},
	{
		name: "lab and crifake reach code through the demo alone",
		why:  "they start runtimes and answer for them: no path of the daemon may lead there; tests may use them",
		forbids: func(e edge) bool {
			if !e.own || e.test || !below(e.to, benches...) || below(e.from, benches...) || below(e.from, "test") {
				return false
			}
			if below(e.from, "cmd") {
				return e.to != "internal/lab/workload" // the demo's images are made of the agent's own binary
			}
			return !(below(e.from, "internal/demo") && below(e.to, "internal/lab"))
		},
	},
	{
		name: "lab and crifake know nothing of the agent",
		why:  "a bench that shares code with what it tests shares its mistakes",
		forbids: func(e edge) bool {
			return e.own && !e.test && below(e.from, benches...) && !below(e.to, benches...)
		},
	},
	{
		name: "the demo is imported by cmd alone",
		why:  "it is a command that starts the daemon as a process of its own; nothing else may start runtimes",
		forbids: func(e edge) bool {
			return e.own && below(e.to, "internal/demo") && !below(e.from, "internal/demo", "cmd", "test")
		},
	},
	{
		name: "the demo uses lab, the client and leaves",
		why:  "it watches the daemon from outside, as a person does: with the daemon's own packages it would prove nothing",
		forbids: func(e edge) bool {
			return e.own && !e.test && below(e.from, "internal/demo") &&
				!below(e.to, slices.Concat([]string{"internal/demo", "internal/lab", "internal/api/client"}, leaves)...)
		},
	},
	{
		name: "commands use what they are given",
		why:  "cmd reads as a table of contents: a command that reaches into a module does the daemon's work beside the daemon",
		forbids: func(e edge) bool {
			return e.own && !e.test && below(e.from, "cmd") && !below(e.from, "cmd/nodeagent-check") &&
				!below(e.to, "cmd") && !slices.Contains(commandsUse, e.to)
		},
	},
	{
		name: "nodeagent-check imports the standard library only",
		why:  "keepalived runs it every second: it must stay tiny",
		forbids: func(e edge) bool {
			return !e.test && below(e.from, "cmd/nodeagent-check") && !standard(e)
		},
	},
	{
		name: "what builds packages knows nothing of the agent",
		why:  "it reads commands and programs from outside, and nothing of it is for the daemon to use",
		forbids: func(e edge) bool {
			return e.own && !e.test && (below(e.from, "packaging") && !below(e.to, "packaging") || below(e.to, "packaging") && !below(e.from, "packaging", "cmd"))
		},
	},
	{
		name: "manifests are parsed without I/O",
		why:  "Parse is a function of its arguments, for the daemon, for validate and for fuzzing alike",
		forbids: func(e edge) bool {
			return !e.test && below(e.from, "internal/staticpod/manifest") && (below(e.to, "os", "syscall", "net/http", "os/exec") || e.to == "net")
		},
	},
	{
		name: "every package has a place",
		once: true,
		why:  "a package that no rule knows is a package without rules: put it into a list of imports_test.go",
		forbids: func(e edge) bool {
			known := slices.Concat(leaves, modules, wiring, benches, []string{"cmd", "test", "packaging", "internal/arch"})
			return !below(e.from, known...)
		},
	},
	{
		name: "nothing imports tests of whole programs, commands, or this package",
		why:  "they are the ends of the diagram",
		forbids: func(e edge) bool {
			return e.own && below(e.to, "cmd", "test", "internal/arch") && !below(e.from, "cmd", "test", "internal/lab")
		},
	},
}

// moduleOf is the module that a package belongs to; empty for none.
func moduleOf(pkg string) string {
	for _, m := range modules {
		if below(pkg, m) {
			return m
		}
	}
	return ""
}

// broken lists the names of the rules that an import breaks.
func broken(e edge) []string {
	var out []string
	for _, r := range rules {
		if r.forbids(e) {
			out = append(out, r.name)
		}
	}
	return out
}

func TestImports(t *testing.T) {
	said := map[string]bool{}
	for _, e := range imports(t) {
		for _, r := range rules {
			key := r.name + " " + e.from
			if !r.once {
				key += " " + e.to
			}
			if r.forbids(e) && !said[key] {
				said[key] = true
				t.Errorf("%s imports %s (%s)\n\trule: %s\n\twhy:  %s", e.from, e.to, e.file, r.name, r.why)
			}
		}
	}
}

// TestRulesCanFail breaks each rule once, and shows beside it what the rule lets through.
func TestRulesCanFail(t *testing.T) {
	own := func(from, to string) edge { return edge{from: from, to: to, own: true} }
	other := func(from, to string) edge { return edge{from: from, to: to} }
	test := func(e edge) edge { e.test = true; return e }
	const (
		leafRule, moduleRule = "leaves import the standard library only", "modules never import one another"
		wired, configRule    = "modules do not know what wires them", "config is imported by agent and cmd alone"
		agentTop, agentUses  = "agent is imported by cmd alone", "agent imports config, modules and leaves"
		bench, blind         = "lab and crifake reach code through the demo alone", "lab and crifake know nothing of the agent"
		demoTop, demoUses    = "the demo is imported by cmd alone", "the demo uses lab, the client and leaves"
		command, check       = "commands use what they are given", "nodeagent-check imports the standard library only"
		client, pure         = "the API's client imports view and event alone", "manifests are parsed without I/O"
		builds               = "what builds packages knows nothing of the agent"
		placed, ends         = "every package has a place", "nothing imports tests of whole programs, commands, or this package"
	)
	cases := []struct {
		e    edge
		want []string
	}{
		{own("internal/health", "internal/view"), []string{leafRule}},
		{other("internal/state", "golang.org/x/sys/unix"), []string{leafRule}},
		{test(other("internal/view", "go.uber.org/zap")), []string{leafRule}},
		{other("internal/health", "encoding/json"), nil},

		{own("internal/runtime", "internal/staticpod"), []string{moduleRule}},
		{own("internal/staticpod/companion", "internal/runtime"), []string{moduleRule}},
		{test(own("internal/metrics", "internal/api")), []string{moduleRule}},
		{own("internal/staticpod/companion", "internal/staticpod/kubelet"), nil},
		{own("internal/staticpod", "internal/reconcile"), nil},
		{own("internal/runtimes", "internal/health"), []string{placed}}, // a prefix is not a parent

		{own("internal/runtime", "internal/agent"), []string{wired, agentTop}},
		{own("internal/runtime", "internal/config"), []string{wired, configRule}},
		{test(own("internal/runtime", "internal/config")), []string{wired, configRule}},
		{own("internal/demo", "internal/config"), []string{configRule, demoUses}},
		{own("internal/agent", "internal/config"), nil},
		{own("cmd/nodeagent", "internal/config"), nil},

		{own("internal/agent", "internal/staticpod/companion"), nil},
		{own("internal/agent", "internal/demo"), []string{agentUses, demoTop}},
		{own("internal/agent", "internal/lab"), []string{agentUses, bench}},
		{test(own("internal/agent", "internal/lab/labtest")), nil},
		{own("internal/staticpod", "internal/crifake"), []string{bench}},
		{test(own("internal/staticpod", "internal/crifake")), nil},
		{own("internal/demo", "internal/crifake"), []string{bench, demoUses}},
		{own("internal/lab/labtest", "internal/lab"), nil},
		{own("internal/lab", "internal/health"), []string{blind}},
		{own("internal/crifake", "internal/staticpod/manifest"), []string{blind}},

		{own("internal/demo", "internal/lab"), nil},
		{own("internal/demo", "internal/api/client"), nil},
		{own("internal/demo", "internal/api"), []string{demoUses}},
		{own("internal/lab", "internal/demo"), []string{blind, demoTop}},

		{own("cmd/nodeagent", "internal/api/client"), nil},
		{own("cmd/nodeagent", "internal/api"), []string{command}},
		{own("cmd/nodeagent", "internal/staticpod"), []string{command}},
		{own("cmd/nodeagent", "internal/lab"), []string{bench, command}},
		{own("cmd/nodeagent", "internal/lab/workload"), nil},
		{test(own("cmd/nodeagent", "internal/crifake")), nil},
		{other("cmd/nodeagent-check", "os"), nil},
		{other("cmd/nodeagent-check", "go.uber.org/zap"), []string{check}},

		{own("internal/api/client", "internal/view"), nil},
		{own("internal/api/client", "internal/api"), []string{client}},
		{other("internal/staticpod/manifest", "os"), []string{pure}},
		{other("internal/staticpod/manifest", "net/netip"), nil},
		{other("internal/helpers", "fmt"), []string{placed}},
		{own("internal/agent", "cmd/nodeagent"), []string{agentUses, ends}},
		{own("packaging/sbom", "internal/view"), []string{builds}},
		{own("internal/agent", "packaging/manpage"), []string{agentUses, builds}},
		{own("cmd/nodeagent", "packaging/manpage"), nil},
	}
	seen := map[string]bool{}
	for _, c := range cases {
		got := broken(c.e)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s imports %s (test: %v) breaks\n\t%s\nwant\n\t%s", c.e.from, c.e.to, c.e.test, strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
		}
		for _, name := range got {
			seen[name] = true
		}
	}
	for _, r := range rules {
		if !seen[r.name] {
			t.Errorf("no case breaks the rule %q", r.name)
		}
		if r.why == "" {
			t.Errorf("the rule %q has no reason", r.name)
		}
	}
}
