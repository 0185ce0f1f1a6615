package compat

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/static-pods.md anew")

const (
	page  = "../../docs/static-pods.md"
	begin = "<!-- The tables below are written by: cd test/compat && go test -run TestDocs -update -->\n"
	end   = "<!-- end of the tables of differences -->\n"
)

// TestDocs holds the tables of docs/static-pods.md against the differences that the comparison lets pass.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(b), begin)
	have, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has lost the lines that mark its tables of differences:\n%s%s", page, begin, end)
	}
	want := "\n" + table("Run mode refuses, and Kubernetes takes", differences) + "\n" +
		table("Kubelet mode (`validate --mode kubelet`, companion) refuses, and a kubelet takes", kubeletDifferences) + "\n"
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("%s does not name the differences that the comparison lets pass: run this test with -update", page)
	}
	if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table(title string, differences []difference) string {
	var b strings.Builder
	b.WriteString("| " + title + " | Why |\n| --- | --- |\n")
	for _, d := range differences {
		b.WriteString("| " + d.where + " | " + d.why + " |\n")
	}
	return b.String()
}

// TestVersions: the replace lines of go.mod bind the API's types to one release whatever the agent's own go.mod says.
func TestVersions(t *testing.T) {
	root, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	api := regexp.MustCompile(`(?m)^\tk8s\.io/api v0\.(\S+)$`).FindSubmatch(root)
	if api == nil {
		t.Fatal("the agent's go.mod requires no k8s.io/api")
	}
	version := string(api[1])
	if !strings.Contains(string(own), "\tk8s.io/kubernetes v1."+version+"\n") {
		t.Errorf("the agent has k8s.io/api v0.%s: require k8s.io/kubernetes v1.%s here", version, version)
	}
	replaced := regexp.MustCompile(`(?m)^\tk8s\.io/\S+ => k8s\.io/\S+ v0\.(\S+)$`).FindAllSubmatch(own, -1)
	if len(replaced) == 0 {
		t.Error("go.mod replaces nothing")
	}
	for _, r := range replaced {
		if string(r[1]) != version {
			t.Errorf("the agent has k8s.io/api v0.%s: %q", version, r[0])
		}
	}
}
