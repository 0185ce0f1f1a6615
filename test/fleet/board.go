package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Board is a dashboard as Grafana would draw it.
type Board struct {
	Title      string
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Panels []Panel
}

// Panel with its queries.
type Panel struct {
	Type, Title string
	Targets     []struct{ RefID, Expr string }
}

// Boards reads every dashboard of a folder, by the name of its file.
func Boards(dir string) (map[string]Board, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no dashboard in %s: %w", dir, err)
	}
	out := map[string]Board{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var b Board
		if err := json.Unmarshal(text, &b); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".json")] = b
	}
	return out, nil
}

var variable = regexp.MustCompile(`\$\{?(\w+)\}?`)

// Fill replaces Grafana's variables as it would with All chosen everywhere, and scrapes once a second.
func Fill(expr string) string { return FillFor(expr, 10*time.Second) }

// FillFor does so for a window of rates.
func FillFor(expr string, window time.Duration) string {
	return variable.ReplaceAllStringFunc(expr, func(v string) string {
		switch name := strings.Trim(v, "${}"); name {
		case "__rate_interval", "__range":
			return window.String()
		case "cluster":
			return ".*"
		default:
			return ".+"
		}
	})
}
