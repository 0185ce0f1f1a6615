// Package operator holds the documents for the Prometheus operator against the operator's own types. It is a module of its own: the agent is
// built with none of them.
package operator

import (
	"os"
	"reflect"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"sigs.k8s.io/yaml"
)

// read takes a document as the API server with the operator's definitions does: an unknown field is refused.
func read(text string) (monitoring.ScrapeConfig, error) {
	var c monitoring.ScrapeConfig
	err := yaml.UnmarshalStrict([]byte(text), &c)
	return c, err
}

func TestScrapeConfig(t *testing.T) {
	b, err := os.ReadFile("../../packaging/prometheus/scrape/scrapeconfig.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := read(string(b))
	if err != nil {
		t.Fatal(err)
	}
	if c.APIVersion != monitoring.SchemeGroupVersion.String() || c.Kind != monitoring.ScrapeConfigsKind || c.Name == "" {
		t.Errorf("it is %s %s %q", c.APIVersion, c.Kind, c.Name)
	}
	if c.Spec.JobName == nil || *c.Spec.JobName != "nodeagent" {
		t.Error("the rules ask for the job nodeagent")
	}
	if len(c.Spec.KubernetesSDConfigs) != 1 || c.Spec.KubernetesSDConfigs[0].Role != monitoring.KubernetesRoleNode {
		t.Errorf("targets %+v", c.Spec.KubernetesSDConfigs)
	}
	if _, err := read(strings.Replace(string(b), "jobName", "jobTitle", 1)); err == nil {
		t.Error("an unknown field is taken")
	}
}

// The operator's document and the plain one say the same of labels and addresses.
func TestRelabelingsAreThePlainOnes(t *testing.T) {
	b, err := os.ReadFile("../../packaging/prometheus/scrape/scrapeconfig.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := read(string(b))
	if err != nil {
		t.Fatal(err)
	}
	b, err = os.ReadFile("../../packaging/prometheus/scrape/kubernetes.yml")
	if err != nil {
		t.Fatal(err)
	}
	var plain struct {
		ScrapeConfigs []struct {
			RelabelConfigs []relabeling `json:"relabel_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal(b, &plain); err != nil {
		t.Fatal(err)
	}
	var ours []relabeling
	for _, r := range c.Spec.RelabelConfigs {
		x := relabeling{Target: r.TargetLabel}
		for _, l := range r.SourceLabels {
			x.Sources = append(x.Sources, string(l))
		}
		if r.Replacement != nil {
			x.Replacement = *r.Replacement
		}
		ours = append(ours, x)
	}
	if len(ours) == 0 || !reflect.DeepEqual(ours, plain.ScrapeConfigs[0].RelabelConfigs) {
		t.Errorf("%+v\nand\n%+v", ours, plain.ScrapeConfigs[0].RelabelConfigs)
	}
}

type relabeling struct {
	Sources     []string `json:"source_labels"`
	Target      string   `json:"target_label"`
	Replacement string   `json:"replacement"`
}
