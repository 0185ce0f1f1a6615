//go:build integration

package pods

import (
	"fmt"
	"strings"
	"testing"
)

// suite is the effects over one runtime.
type suite struct {
	*node
	first  string // the anchor's address
	proofs proofs
}

// TestEffects proves each supported field over each runtime.
func TestEffects(t *testing.T) {
	runtimes(t, func(t *testing.T, n *node) {
		s := &suite{node: n, proofs: proofs{proven: map[string][]string{}}}
		s.anchor(t)
		t.Run("pods", func(t *testing.T) {
			for name, play := range effects {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					play(s, t)
				})
			}
			for name, play := range effectsOfBoth {
				for _, v := range variants {
					t.Run(name+"/"+v.list, func(t *testing.T) {
						t.Parallel()
						play(s, t, v)
					})
				}
			}
		})
		t.Run("every row", s.compare)
	})
}

// none is for proofs of fields outside of a list of containers.
var none variant

// anchor is a pod that stays while others come and go: a folder from which everything went in one reading stops nothing.
func (s *suite) anchor(t *testing.T) {
	p := s.pod(t, "anchor", simple("", `args: [do, hold]`))
	p.run("main")
	s.first = p.ip()
}

// simple is a pod of one container main of the workload's image; spec are lines of the pod's spec and container are more lines of the container's.
func simple(spec, container string) string {
	return variants[0].pod(spec, container)
}

// pod is a manifest whose container main, in the list of the variant, has these lines. An init container is a sidecar, beside a container that
// does nothing.
func (v variant) pod(spec, container string) string { return v.podWith("", spec, container) }

// podWith has further lines of the pod's metadata.
func (v variant) podWith(metadata, spec, container string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${NAME}\n%sspec:\n", indent(2, metadata))
	if !strings.Contains(spec, "terminationGracePeriodSeconds") {
		b.WriteString("  terminationGracePeriodSeconds: 3\n")
	}
	if !strings.Contains(spec, "volumes:") {
		b.WriteString("  volumes: [" + ctlVolume + "]\n")
	}
	b.WriteString(indent(2, spec))
	main := "name: main\n"
	if !strings.Contains(container, "image:") {
		main += "image: ${IMAGE}\n"
	}
	if !strings.Contains(container, "volumeMounts:") {
		main += "volumeMounts: [" + ctlMount + "]\n"
	}
	main += container
	if v.list == "initContainers" {
		b.WriteString("  initContainers:\n" + item("restartPolicy: Always\n"+main))
		main = "name: other\nimage: ${IMAGE}\nargs: [do, hold]\n"
	}
	b.WriteString("  containers:\n" + item(main))
	return b.String()
}

const (
	ctlVolume = `{name: ctl, hostPath: {path: "${CTL}"}}`
	ctlMount  = `{name: ctl, mountPath: /ctl}`
)

// item makes lines of a mapping an entry of a list.
func item(lines string) string { return "  - " + strings.TrimPrefix(indent(4, lines), "    ") }

func indent(n int, lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			b.WriteString(strings.Repeat(" ", n) + line + "\n")
		}
	}
	return b.String()
}

// effects are those of fields of a pod; effectsOfBoth those of a container, which are played with either list.
var (
	effects = map[string]func(*suite, *testing.T){
		"identity":              (*suite).identity,
		"binary data":           (*suite).binaryData,
		"data volumes":          (*suite).dataVolumes,
		"changed objects":       (*suite).changes,
		"emptyDir":              (*suite).emptyDir,
		"hostPath":              (*suite).hostPath,
		"subPath's way out":     (*suite).escape,
		"pod security":          (*suite).podSecurity,
		"non-root":              (*suite).nonRoot,
		"fsGroup":               (*suite).fsGroup,
		"fsGroupChangePolicy":   (*suite).changePolicy,
		"seccomp profile":       (*suite).ownProfile,
		"classes":               (*suite).classes,
		"handler":               (*suite).handlers,
		"namespaces":            (*suite).namespaces,
		"names":                 (*suite).names,
		"own HTTP":              (*suite).ownHTTP,
		"restartPolicy":         (*suite).restarts,
		"activeDeadlineSeconds": (*suite).deadline,
		"grace":                 (*suite).grace,
		"order":                 (*suite).order,
		"failed init container": (*suite).initFails,
	}
	effectsOfBoth = map[string]func(*suite, *testing.T, variant){
		"program":             (*suite).program,
		"environment":         (*suite).environment,
		"mounts":              (*suite).mounts,
		"security":            (*suite).security,
		"privileged":          (*suite).privileged,
		"own non-root":        (*suite).nonRootContainer,
		"own seccomp profile": (*suite).ownProfileContainer,
		"resources":           (*suite).resources,
		"ports":               (*suite).ports,
		"readiness":           (*suite).readiness,
		"liveness":            (*suite).liveness,
		"startup":             (*suite).startup,
		"HTTP probes":         (*suite).httpProbes,
		"TCP probes":          (*suite).tcpProbes,
		"postStart":           (*suite).postStart,
		"preStop":             (*suite).preStop,
		"HTTP hooks":          (*suite).httpHooks,
		"sleep hooks":         (*suite).sleepHooks,
		"last words":          (*suite).lastWords,
		"pulls":               (*suite).pulls,
	}
)

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
