package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// textNames are the files of a module's folder that its license asks to be passed on.
var textNames = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// writeLicenses writes the texts of all modules from Go's module cache. A module without a license is an error: it may not be passed on.
func writeLicenses(w io.Writer, modules []module) error {
	folders, err := folders()
	if err != nil {
		return err
	}
	for _, m := range modules {
		dir := folders[m.path+"@"+m.version]
		if dir == "" {
			return fmt.Errorf("%s %s is linked, and `go list -m` gives no folder for it: go mod download", m.path, m.version)
		}
		if err := writeTexts(w, m, dir); err != nil {
			return err
		}
	}
	return nil
}

// folders of the modules of this build, by path@version.
func folders() (map[string]string, error) {
	list, err := exec.Command("go", "list", "-m", "-json", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m all: %w", err)
	}
	type listed struct {
		Path, Version, Dir string
		Replace            *listed
	}
	out := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(list)); ; {
		var m listed
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list -m all: %w", err)
		}
		if m.Replace != nil {
			m = *m.Replace
		}
		out[m.Path+"@"+m.Version] = m.Dir
	}
}

func writeTexts(w io.Writer, m module, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("licenses of %s: %w", m.path, err)
	}
	var texts []string
	for _, e := range entries {
		if e.Type().IsRegular() && textNames.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
			texts = append(texts, e.Name())
		}
	}
	if len(texts) == 0 {
		return fmt.Errorf("%s %s has no license file in %s", m.path, m.version, dir)
	}
	slices.Sort(texts)
	for _, name := range texts {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("licenses of %s: %w", m.path, err)
		}
		if _, err := fmt.Fprintf(w, "==== %s %s: %s\n\n%s\n\n", m.path, m.version, name, bytes.TrimSpace(b)); err != nil {
			return err
		}
	}
	return nil
}
