package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what `version -o json` prints.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source; empty where it was built outside of its repository
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	return build{Version: version, Revision: revision(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

// revision is the commit that this binary was built from, with "-dirty" if there was more.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	hash, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			hash = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if hash == "" {
		return ""
	}
	return hash + dirty
}

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this command",
		Long: "version prints the version of this command. The daemon's own is in `nodeagent" +
			"\nstatus`.",
		Example: "  nodeagent version -o json",
		Args:    cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, _ []string) error {
		b := thisBuild()
		if *output != asTable {
			return output.print(cmd.OutOrStdout(), b)
		}
		text := "nodeagent " + b.Version
		if b.Revision != "" {
			text += " (" + b.Revision + ")"
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), text, b.Go, b.Platform)
		return err
	})
	return cmd
}
