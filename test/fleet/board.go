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

// Choice is what is chosen above a dashboard.
type Choice struct {
	Instance string        // empty: All, as everywhere else
	Window   time.Duration // of rates, which Grafana makes of the interval of the scrapes
}

// Fill replaces Grafana's variables in a query as it would with that choice.
func (c Choice) Fill(expr string) string {
	return variable.ReplaceAllStringFunc(expr, func(v string) string {
		switch name := strings.Trim(v, "${}"); {
		case name == "__rate_interval", name == "__range":
			return c.Window.String()
		case name == "cluster":
			return ".*"
		case name == "instance" && c.Instance != "":
			return c.Instance
		default:
			return ".+"
		}
	})
}
