//go:build integration

package pods

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sigs.k8s.io/yaml"
)

const grafanaExamples = "../../examples/grafana"

// standIn makes of a pod of the examples one that runs the workload's image in place of its own and holds still: mounts, users and modes are
// those of the example.
func (n *node) standIn(t *testing.T, document string, change func(spec map[string]any)) string {
	t.Helper()
	var pod map[string]any
	if err := yaml.Unmarshal([]byte(document), &pod); err != nil {
		t.Fatal(err)
	}
	spec := pod["spec"].(map[string]any)
	c := spec["containers"].([]any)[0].(map[string]any)
	c["image"], c["args"] = n.image, []any{"do", "hold"}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		delete(c, probe)
	}
	if change != nil {
		change(spec)
	}
	b, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents of an example: the ConfigMap, and the pod behind it.
func documents(t *testing.T, file string) (object, pod string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(grafanaExamples, file))
	if err != nil {
		t.Fatal(err)
	}
	object, pod, ok := strings.Cut(string(b), "---\n")
	if !ok {
		t.Fatalf("%s has one document", file)
	}
	return object, pod
}

// dataOf a ConfigMap, by key.
func dataOf(t *testing.T, text string) map[string]string {
	t.Helper()
	var m struct{ Data map[string]string }
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m.Data
}

// grafana plays the documents of examples/grafana, those of one pod in one file: what Grafana and Prometheus would find at their places, as whom, and with which modes.
func (n *node) grafana(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	dashboards, rules := read(filepath.Join(grafanaExamples, "dashboards.yaml")), read(filepath.Join(grafanaExamples, "rules.yaml"))
	secret, field := read(filepath.Join(grafanaExamples, "secret.yaml")), read("testdata/grafana-configmap.yaml")

	config, pod := documents(t, "grafana.yaml")
	p := n.pod(t, "grafana", strings.Join([]string{secret, dashboards, config, n.standIn(t, pod, nil)}, "---\n"))
	c := p.run("grafana")
	same := func(c proc, at, want string) {
		t.Helper()
		if got := read(c.root(at)); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", at, got, want)
		}
	}
	data := dataOf(t, config)
	same(c, "/etc/grafana/grafana.ini", data["grafana.ini"])
	same(c, "/etc/grafana/provisioning/datasources/datasource.yaml", data["datasource.yaml"])
	same(c, "/etc/grafana/provisioning/dashboards/provider.yaml", data["provider.yaml"])
	for name, want := range dataOf(t, dashboards) {
		same(c, "/etc/grafana/dashboards/"+name, want)
	}
	same(c, "/etc/grafana/secret/admin-password", "change-me")
	owned := func(c proc, at string, mode os.FileMode, group uint32) {
		t.Helper()
		st, err := os.Stat(c.root(at))
		if err != nil {
			t.Fatal(err)
		}
		if gid := st.Sys().(*syscall.Stat_t).Gid; st.Mode().Perm() != mode || gid != group {
			t.Errorf("%s: mode %o of group %d, want %o of %d", at, st.Mode().Perm(), gid, mode, group)
		}
	}
	owned(c, "/etc/grafana/secret/admin-password", 0o440, 472)
	if st, err := os.Stat(c.root("/var/lib/grafana")); err != nil || st.Sys().(*syscall.Stat_t).Gid != 472 || st.Mode().Perm()&0o070 != 0o070 {
		t.Errorf("/var/lib/grafana is not for Grafana's group to write: %v %v", st, err)
	}
	if status := c.file("status"); !strings.Contains(status, "Uid:\t472\t472") {
		t.Errorf("Grafana would run as another:\n%s", status)
	}

	config, pod = documents(t, "prometheus.yaml")
	c = n.pod(t, "prometheus", strings.Join([]string{rules, config, n.standIn(t, pod, nil)}, "---\n")).run("prometheus")
	same(c, "/etc/prometheus/prometheus.yml", dataOf(t, config)["prometheus.yml"])
	for name, want := range dataOf(t, rules) {
		same(c, "/etc/prometheus/rules/"+name, want)
	}

	// A grafana.ini of the field, mounted as it is.
	_, pod = documents(t, "grafana.yaml")
	text := n.standIn(t, strings.Replace(pod, "name: grafana\n  namespace", "name: field\n  namespace", 1), func(spec map[string]any) {
		spec["volumes"].([]any)[0].(map[string]any)["configMap"].(map[string]any)["name"] = "grafana-of-the-field"
		c := spec["containers"].([]any)[0].(map[string]any)
		c["volumeMounts"] = c["volumeMounts"].([]any)[:1]
	})
	same(n.pod(t, "field", field+"---\n"+text).run("grafana"), "/etc/grafana/grafana.ini", dataOf(t, field)["grafana.ini"])
}
