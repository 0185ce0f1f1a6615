package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// setupRecord has the changes of the last setup, for --undo. It lies beside the state folder's files and is none of them: the daemon's lock does
// not cover it.
const setupRecord = "setup-undo"

// readEntries reads what lies at paths.
func readEntries(paths ...string) (map[string]entry, error) {
	out := map[string]entry{}
	for _, path := range paths {
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("look at what is laid: %w", err)
		case st.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return nil, fmt.Errorf("look at what is laid: %w", err)
			}
			out[path] = entry{Link: target}
		case st.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("look at what is laid: %w", err)
			}
			out[path] = entry{Content: string(b)}
		default:
			return nil, fmt.Errorf("%s is neither a file nor a link: move it away", path)
		}
	}
	return out, nil
}

// lay makes one path into what a change says, atomically.
func lay(c change) error {
	switch {
	case c.After == entry{}:
		if err := os.Remove(c.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	case c.After.Link == "":
		if err := os.MkdirAll(filepath.Dir(c.Path), 0o755); err != nil {
			return err
		}
		return state.WriteFile(c.Path, []byte(c.After.Content), 0o644, true)
	}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o755); err != nil {
		return err
	}
	half := c.Path + ".new"
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(c.After.Link, half); err != nil {
		return err
	}
	return os.Rename(half, c.Path)
}

// layAll applies changes; if one fails, those before it are taken back.
func layAll(changes []change) error {
	for i, c := range changes {
		err := lay(c)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", c.text(), err)
		for _, done := range changes[:i] {
			err = errors.Join(err, lay(change{Path: done.Path, Before: done.After, After: done.Before}))
		}
		return err
	}
	return nil
}

func saveSetup(dir string, changes []change) error {
	b, err := json.MarshalIndent(changes, "", "  ")
	if err != nil {
		return err
	}
	return state.WriteFile(filepath.Join(dir, setupRecord), append(b, '\n'), 0o600, true)
}

// loadSetup is the last setup's changes; none where there was no setup.
func loadSetup(dir string) ([]change, error) {
	path := filepath.Join(dir, setupRecord)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []change
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last setup did from %s: %w", path, err)
	}
	return out, nil
}

// restartUnit makes systemd read the drop-ins again and restarts the agent if it runs. It says what became of it.
func restartUnit(ctx context.Context) (string, error) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return "systemd does not run here: nothing is restarted", nil
	}
	if out, err := systemctl(ctx, "daemon-reload"); err != nil {
		return "", &view.Error{Problem: "systemctl daemon-reload: " + out, Fix: "systemctl daemon-reload && systemctl restart nodeagent"}
	}
	if _, err := systemctl(ctx, "--quiet", "is-active", "nodeagent.service"); err != nil {
		return "the agent does not run; it has the profile from its next start: systemctl start nodeagent", nil
	}
	if out, err := systemctl(ctx, "restart", "nodeagent.service"); err != nil {
		return "", &view.Error{Problem: "systemctl restart nodeagent: " + out, Fix: "see `journalctl -u nodeagent`; `nodeagent setup --undo` takes the profile back"}
	}
	return "the agent was restarted with it", nil
}

func systemctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a stop takes up to TimeoutStopSec, a start a few seconds
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(out) + " " + err.Error()), err
	}
	return strings.TrimSpace(string(out)), nil
}
