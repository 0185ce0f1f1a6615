// Command gen writes the dashboards of packaging/grafana, and the form of them that a cluster's loader of dashboards takes.
//
//	go run . -out ..
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	out := flag.String("out", "..", "folder to write dashboards/ and kubernetes/ into")
	flag.Parse()
	files, err := generate()
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(*out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// pages are all dashboards.
func pages() []page {
	return []page{fleet(), node(), pods(), runtime(), flannel(), vip(), certificates()}
}

// generate makes every file, by its name below packaging/grafana.
func generate() (map[string][]byte, error) {
	files := map[string][]byte{}
	var onNode strings.Builder // all of them for a Grafana in run mode
	onNode.WriteString("# Written by packaging/grafana/gen.\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: grafana-dashboards\n  namespace: monitoring\ndata:\n")
	for _, p := range pages() {
		d, err := build(p)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", p.name, err)
		}
		text, err := encode(d)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", p.name, err)
		}
		files["dashboards/"+p.name+".json"] = text
		files["kubernetes/"+p.name+".yaml"] = configMap(p.name, text)
		onNode.WriteString("  " + p.name + ".json: |\n" + indented(text))
	}
	files["../../examples/grafana/dashboards.yaml"] = []byte(onNode.String())
	return files, nil
}

func encode(d dashboard.Dashboard) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

// configMap is a dashboard for the sidecar that looks for the label grafana_dashboard, as the charts of Grafana and of kube-prometheus do.
func configMap(name string, text []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by packaging/grafana/gen.\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: nodeagent-dashboard-%s\n  namespace: monitoring\n  labels:\n    grafana_dashboard: \"1\"\ndata:\n  nodeagent-%s.json: |\n", name, name)
	b.WriteString(indented(text))
	return []byte(b.String())
}

func indented(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		b.WriteString("    " + line)
	}
	return b.String()
}
