package manifest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileFilesAreBounded feeds files of the largest size that a kubelet reads, in the shapes that cost a YAML parser
// most. The bounds are far above what they take, so that a slow machine passes and an explosion does not.
func TestHostileFilesAreBounded(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, MaxBytes/len(s)) }
	// A quarter is enough for one long scalar, which is read byte by byte, slowly under the race detector.
	text := func(s string) string { return strings.Repeat(s, MaxBytes/4/len(s)) }
	var merges strings.Builder
	merges.WriteString("base: &base {")
	for i := range 5000 {
		fmt.Fprintf(&merges, "k%d: v, ", i)
	}
	merges.WriteString("}\nlist:\n" + strings.Repeat("- <<: *base\n", 5000))
	lol := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		lol += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	pod := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n"
	many := func(format string) string {
		var b strings.Builder
		for i := range 8_000 { // below the bound on values, so that the checks themselves are what costs
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
	for name, data := range map[string]string{
		"empty lines":      fill("\n"),
		"comments":         fill("# x\n"),
		"one comment":      "#" + fill("x")[1:],
		"list":             fill("- a\n"),
		"nested list":      fill("- "),
		"brackets":         fill("["),
		"braces":           fill("{"),
		"brackets in JSON": `{"a":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + "}",
		"question marks":   fill("? "),
		"colons":           fill(": "),
		"commas":           "[" + fill("a,")[1:],
		"anchors":          fill("&a "),
		"tags":             fill("!!str "),
		"percent":          fill("%YAML 1.1\n"),
		"markers":          fill("---\n"),
		"ends":             fill("...\n"),
		"quote":            "\"" + text("x")[1:],
		"escapes":          "\"" + text(`\x00`)[4:],
		"scalar":           text("x"),
		"words":            text("x y "),
		"indents":          fill(" "),
		"tabs":             fill("\t"),
		"returns":          fill("\r"),
		"keys":             strings.Repeat("aaaaaaaaaaaaaaaaaa: b\n", 200_000),
		"equal keys":       strings.Repeat("a: b\n", 200_000),
		"literal":          pod + "spec: |\n" + fill("  x\n")[100:],
		"unknown fields":   pod + strings.Repeat("zzzzzz: b\n", 1000),
		"laughs":           lol,
		"merges":           merges.String(),
		"long strings":     "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 10_000) + "]\n",
		"loop":             "a: &a [*a]\n",
		"quantity":         pod + "spec: {containers: [{name: x, image: x, resources: {limits: {cpu: 1e999999999}}}]}",
		"tiny quantity":    pod + "spec: {containers: [{name: x, image: x, resources: {limits: {cpu: '1e-999999999'}}}]}",
		"many labels":      pod + "  labels:\n" + strings.Repeat("    a_: b\n", 10000),
		"volumes":          pod + "spec:\n  volumes:\n" + many("  - {name: volume-%d}\n") + "  containers:\n  - name: x\n    volumeMounts:\n" + many("    - {name: volumf-%d, mountPath: /%[1]d}\n"),
		"paths": pod + "spec:\n  volumes:\n  - name: v\n    configMap:\n      name: ''\n      items:\n" + many("      - {key: k, path: a/%d/b}\n") +
			"      - {key: k, path: " + strings.Repeat("a/", 1<<19) + "}\n",
		"references":      pod + "spec:\n  containers:\n  - name: x\n    env:\n" + many("    - {name: A%d, valueFrom: {secretKeyRef: {name: s%[1]d, key: k}}}\n"),
		"containers":      pod + "spec:\n  containers:\n" + many("  - {name: c-%d, env: [{name: A, valueFrom: {resourceFieldRef: {containerName: d-%[1]d, resource: limit.cpu}}}]}\n"),
		"ports":           pod + "spec:\n  containers:\n  - name: x\n    livenessProbe: {httpGet: {port: nope}}\n    ports:\n" + many("    - {name: p%d, containerPort: 1}\n"),
		"sysctls":         pod + "spec:\n  securityContext:\n    sysctls:\n" + many("    - {name: net.ipv4.tcp_keepalive_time_%d}\n"),
		"data keys":       config + "data:\n" + many("  password%d..: x\n") + "  '!': x\n",
		"secret lines":    config + "data:\n  '!': x\n  a: |\n" + strings.Repeat("    password: x\n", 50_000),
		"one secret line": config + "data: {'!': x, a: 'password" + strings.Repeat(" ", 1<<20) + ": x'}\n",
		"large value":     config + "data: {a: " + text("x") + "}\n",
		"objects":         strings.Repeat(config+"---\n", MaxDocuments+1),
		"dup in alias":    "a: &a {x: 1, x: 2}\nb: [" + strings.Repeat("*a,", 10_000) + "]\n",
	} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			r := Parse("x.yaml", []byte(data), Options{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			mib := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%v, %d MiB allocated, %d problems", took, mib, len(r.Problems))
			if took > 30*time.Second || mib > 1024 {
				t.Errorf("took %v and allocated %d MiB", took, mib)
			}
			if !r.Failed() || len(r.Pods)+len(r.Objects) > 0 {
				t.Error("a hostile file was taken")
			}
			if len(r.Problems) > maxProblems+1 {
				t.Errorf("%d problems", len(r.Problems))
			}
			for _, p := range r.Problems {
				if len(p.String()) > 2000 {
					t.Errorf("a message of %d bytes", len(p.String()))
				}
			}
		})
	}
}
