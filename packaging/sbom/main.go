package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	name := flag.String("name", "nodeagent", "`NAME` of what is described")
	version := flag.String("version", "dev", "`VERSION` of it")
	at := flag.String("time", "", "`TIME` of the build, RFC 3339; left out if empty")
	licenses := flag.Bool("licenses", false, "print the modules' licenses instead")
	flag.Parse()
	if err := write(os.Stdout, *name, *version, *at, *licenses, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, name, version, at string, licenses bool, programs []string) error {
	if len(programs) == 0 {
		return errors.New("no program is named")
	}
	var all []module
	toolchain := ""
	for _, path := range programs {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read what %s is made of: %w", path, err)
		}
		toolchain = info.GoVersion
		for _, d := range info.Deps {
			all = append(all, linked(d))
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path+"@"+a.version, b.path+"@"+b.version) })
	all = slices.Compact(all)
	if licenses {
		return writeLicenses(w, all)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(bill(name, version, at, toolchain, all))
}

// module is one that is linked into a program.
type module struct{ path, version, sum string }

// linked is a module as it was built: what replaces it, if something does.
func linked(d *debug.Module) module {
	for d.Replace != nil {
		d = d.Replace
	}
	return module{path: d.Path, version: d.Version, sum: d.Sum}
}
