package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"nodeagent/internal/agent"
	"nodeagent/internal/api/client"
	"nodeagent/internal/config"
)

// globals are the flags of every command: where the daemon and its configuration are.
type globals struct {
	flags                     *pflag.FlagSet
	socket, config, configDir string
}

func (g *globals) register(f *pflag.FlagSet) {
	g.flags = f
	f.StringVar(&g.socket, "socket", "", "`PATH` of the daemon's socket")
	f.StringVar(&g.config, "config", config.DefaultFile, "read `FILE`, not "+config.DefaultFile)
	f.StringVar(&g.configDir, "config-dir", config.DefaultDir, "read the drop-ins of `DIR`, not "+config.DefaultDir)
	f.VisitAll(func(f *pflag.Flag) { f.DefValue = "" }) // the text says it
}

// explicit reports whether a person named the configuration file.
func (g *globals) explicit() bool { return g.flags.Changed("config") }

// dir of the drop-ins. A file that a person names stands alone: the node's own drop-ins were written for the node's own file.
func (g *globals) dir() string {
	if g.explicit() && !g.flags.Changed("config-dir") {
		return ""
	}
	return g.configDir
}

func (g *globals) agentOptions() agent.Options {
	return agent.Options{ConfigFile: g.config, Explicit: g.explicit(), ConfigDir: g.dir(), Version: version, Revision: revision()}
}

func (g *globals) configOptions() config.Options {
	return config.Options{File: g.config, Explicit: g.explicit(), Dir: g.dir(), KnownConditions: conditionNames(), KnownReasons: agent.ConditionReasons()}
}

// conditionNames of every mode: what a configuration may name does not depend on the mode.
func conditionNames() []string {
	var names []string
	for _, c := range agent.Conditions(config.ModeRun) {
		names = append(names, c.Name)
	}
	return names
}

// completeCondition completes a command's first argument.
func completeCondition(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return conditionNames(), cobra.ShellCompDirectiveNoFileComp
}

// client of the daemon, with the path of its socket.
func (g *globals) client() (*client.Client, string) {
	path := g.socketPath()
	return client.New(path), path
}

func (g *globals) socketPath() string {
	if g.socket != "" {
		return g.socket
	}
	if env := os.Getenv("NODEAGENT_SOCKET"); env != "" {
		return env
	}
	path := g.lenient().API.Socket
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		// The files may name another socket already, which a daemon takes only at its next start.
		if l, ok := agent.Accepted(g.agentOptions()); ok {
			if _, err := os.Stat(l.Config.API.Socket); err == nil {
				return l.Config.API.Socket
			}
		}
	}
	return path
}

// lenient is the configuration as far as it can be read. A daemon runs on with a bad file, and people must be able to ask it.
func (g *globals) lenient() config.Config {
	if l, err := config.Load(g.configOptions()); err == nil {
		return l.Config
	}
	files := []string{g.config}
	if d := g.dir(); d != "" {
		more, _ := filepath.Glob(filepath.Join(d, "*.yaml")) // the pattern is good, so that there is no error
		files = append(files, more...)
	}
	var found places
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			found.read(b)
		}
	}
	c := config.Default()
	if found.RunDir != "" {
		c.API.Socket = filepath.Join(found.RunDir, "nodeagent.sock")
	}
	if found.API.Socket != "" {
		c.API.Socket = found.API.Socket
	}
	if found.StateDir != "" {
		c.StateDir = found.StateDir
	}
	if found.PodLogsDir != "" {
		c.PodLogsDir = found.PodLogsDir
	}
	if found.StaticPods.Mode != "" {
		c.StaticPods.Mode = found.StaticPods.Mode
	}
	return c
}

// places are the keys that commands need of a file that may be bad elsewhere.
type places struct {
	RunDir     string `yaml:"runDir"`
	StateDir   string `yaml:"stateDir"`
	PodLogsDir string `yaml:"podLogsDir"`
	API        struct {
		Socket string `yaml:"socket"`
	} `yaml:"api"`
	StaticPods struct {
		Mode string `yaml:"mode"`
	} `yaml:"staticPods"`
}

var placeLine = regexp.MustCompile(`(?m)^(runDir|stateDir|podLogsDir|[ \t]+socket):[ \t]*["']?(/[^\s"'#]+)`)

// read takes what it finds: of a file with faults by its YAML, of one that is no YAML by its lines.
func (p *places) read(b []byte) {
	var node yaml.Node
	if yaml.Unmarshal(b, &node) == nil {
		_ = node.Decode(p) // a value of a wrong type leaves the others
		return
	}
	for _, m := range placeLine.FindAllStringSubmatch(string(b), -1) {
		switch m[1] {
		case "runDir":
			p.RunDir = m[2]
		case "stateDir":
			p.StateDir = m[2]
		case "podLogsDir":
			p.PodLogsDir = m[2]
		default:
			p.API.Socket = m[2]
		}
	}
}
