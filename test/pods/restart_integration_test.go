//go:build integration

package pods

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

func (s *suite) restarts(t *testing.T) {
	s.proves(t, none, "spec.restartPolicy")
	for _, test := range []struct {
		policy, code string
		restarts     bool
		phase        string
	}{
		{"Always", "0", true, ""}, {"Always", "3", true, ""},
		{"OnFailure", "0", false, view.PhaseSucceeded}, {"OnFailure", "3", true, ""},
		{"Never", "0", false, view.PhaseSucceeded}, {"Never", "3", false, view.PhaseFailed},
	} {
		name := strings.ToLower(test.policy) + "-" + test.code
		t.Run(name, func(t *testing.T) {
			p := s.pod(t, "restart-"+name, simple("restartPolicy: "+test.policy, "args: [do, \"say /ctl/beats start\", \"exit "+test.code+"\"]"))
			if test.restarts {
				p.starts(2)
				return
			}
			p.phase(test.phase)
			if _, n := p.started(); n != 1 {
				t.Errorf("it was started %d times", n)
			}
		})
	}
}

func (s *suite) deadline(t *testing.T) {
	s.proves(t, none, "spec.activeDeadlineSeconds")
	// It counts from before the sandbox is made, which takes seconds on a node that is busy.
	const seconds = 10
	dropped := time.Now()
	p := s.pod(t, "deadline", simple(fmt.Sprint("activeDeadlineSeconds: ", seconds), "args: [do, \"say /ctl/beats start\", hold, \"say /ctl/beats term\"]"))
	p.phase(view.PhaseFailed)
	at, n := p.started()
	if term := p.beats("term"); n != 1 || len(term) != 1 || term[0].Sub(at) > (seconds+1)*time.Second || term[0].Sub(dropped) < seconds*time.Second {
		t.Errorf("written at %s; %d starts, the last at %s; SIGTERM at %v", dropped, n, at, term)
	}
}

func (s *suite) grace(t *testing.T) {
	s.proves(t, none, "spec.terminationGracePeriodSeconds")
	p := s.pod(t, "grace", simple("terminationGracePeriodSeconds: 4", deaf))
	c := p.run("main")
	p.starts(0)
	removed := time.Now()
	p.remove()
	eventuallyGone(t, c.pid)
	if d := time.Since(removed); d < 4*time.Second-slack || d > 7*time.Second {
		t.Errorf("it was killed after %s, want 4 s", d)
	}
}

// lastWords shows what a container that ended left, by both policies, where people look for it.
func (s *suite) lastWords(t *testing.T, v variant) {
	s.proves(t, v, "@.terminationMessagePath", "@.terminationMessagePolicy")
	for name, test := range map[string]struct{ lines, steps, want string }{
		"file":    {"terminationMessagePath: /tmp/words\n", `"write /tmp/words from a file", "print from the log", "exit 3"`, "from a file"},
		"default": {"", `"write /dev/termination-log from the usual file", "exit 3"`, "from the usual file"},
		"log":     {"terminationMessagePolicy: FallbackToLogsOnError\n", `"print from the log", "exit 3"`, "from the log"},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.pod(t, "words-"+name+"-"+v.key, v.pod("", test.lines+"args: [do, "+test.steps+"]"))
			p.death("main", func(e event.Event) bool {
				return e.Fields["exitCode"] == "3" && strings.Contains(e.Log, test.want) && !strings.Contains(e.Message, test.want)
			})
		})
	}
}

// pulls shows the three policies against a real registry, and without it.
func (s *suite) pulls(t *testing.T, v variant) {
	s.proves(t, v, "@.imagePullPolicy")
	registry := &registry{address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), dir: t.TempDir()}
	registry.start(t)
	defer registry.stop()
	program, err := os.ReadFile(workload(t))
	if err != nil {
		t.Fatal(err)
	}
	image := func(name string) string { return registry.address + "/" + name + "-" + v.key + ":1" }
	for _, name := range []string{"always", "once"} {
		registry.push(t, image(name), program, "1")
	}
	run := func(name, image, policy string) *pod {
		return s.pod(t, name+"-"+v.key, v.pod("", "image: "+image+"\nimagePullPolicy: "+policy+"\nargs: [do, hold]"))
	}
	run("pull-never", image("never"), "Never").message("Never")
	equal(t, "the first content", run("pull-always", image("always"), "Always").run("main").env()["CONTENT"], "1")
	once := run("pull-once", image("once"), "IfNotPresent")
	equal(t, "the first content", once.run("main").env()["CONTENT"], "1")

	for _, name := range []string{"always", "once"} {
		registry.push(t, image(name), program, "2")
	}
	equal(t, "the content that Always gets", run("pull-always-again", image("always"), "Always").run("main").env()["CONTENT"], "2")
	equal(t, "the content that IfNotPresent gets", run("pull-once-again", image("once"), "IfNotPresent").run("main").env()["CONTENT"], "1")
	equal(t, "the content that Never gets", run("pull-never-there", image("once"), "Never").run("main").env()["CONTENT"], "1")

	registry.stop()
	waits := run("pull-gone", image("late"), "IfNotPresent")
	waits.message(registry.address)
	c := run("pull-there", image("once"), "IfNotPresent").run("main")
	if err := kill(c.pid); err != nil {
		t.Fatal(err)
	}
	once.run("main") // what runs is not disturbed
	registry.start(t)
	registry.push(t, image("late"), program, "3")
	equal(t, "the content that came late", waits.run("main").env()["CONTENT"], "3")
}

// order shows that init containers run one after the other, that a failed one is tried again, and what sidecars do around them.
func (s *suite) order(t *testing.T) {
	s.proves(t, none, "spec.initContainers")
	p := s.pod(t, "order", `apiVersion: v1
kind: Pod
metadata: {name: "${NAME}"}
spec:
  terminationGracePeriodSeconds: 20
  volumes: [`+ctlVolume+`]
  initContainers:
  - {name: one, image: "${IMAGE}", args: [do, "say /ctl/log one", "need /ctl/well", "say /ctl/log one-done"], volumeMounts: [`+ctlMount+`]}
  - name: side
    image: "${IMAGE}"
    restartPolicy: Always
    args: [do, "say /ctl/log side", "await /ctl/up", "write /ctl/is-up x", hold, "say /ctl/log side-term"]
    startupProbe: {exec: {command: [/nodeagent, workload, do, "need /ctl/is-up"]}, periodSeconds: 1, failureThreshold: 100}
    volumeMounts: [`+ctlMount+`]
  - {name: later, image: "${IMAGE}", restartPolicy: Always, args: [do, "say /ctl/log later", hold, "say /ctl/log later-term"], volumeMounts: [`+ctlMount+`]}
  - {name: two, image: "${IMAGE}", args: [do, "say /ctl/log two"], volumeMounts: [`+ctlMount+`]}
  containers:
  - {name: main, image: "${IMAGE}", args: [do, "say /ctl/log main", hold, "wait 1s", "say /ctl/log main-term"], volumeMounts: [`+ctlMount+`]}
`)
	log := func() []string { return texts(p.said("log")) }
	p.until("a second try of one", func() bool { return len(log()) >= 2 })
	if l := log(); slices.ContainsFunc(l, func(s string) bool { return s != "one" }) {
		t.Errorf("before one is done there was %q", l)
	}
	p.set("well")
	p.until("the sidecar starts", func() bool { return slices.Contains(log(), "side") })
	p.set("up")
	p.ready()
	p.until("the container says its first word", func() bool { return slices.Contains(log(), "main") }) // it counts as ready since its process was made
	l := log()
	if l = l[slices.Index(l, "one-done"):]; !slices.Equal(l, []string{"one-done", "side", "later", "two", "main"}) {
		t.Errorf("they started as %q", l)
	}
	p.remove()
	p.gone()
	if l = log(); !slices.Equal(l[len(l)-3:], []string{"main-term", "later-term", "side-term"}) {
		t.Errorf("they stopped as %q", l)
	}
}

// initFails shows that a failed init container of a pod that is never restarted fails the pod.
func (s *suite) initFails(t *testing.T) {
	p := s.pod(t, "init-fails", strings.Replace(simple("restartPolicy: Never", "args: [do, \"say /ctl/beats start\", hold]"), "  containers:\n",
		"  initContainers: [{name: bad, image: \"${IMAGE}\", args: [do, \"exit 4\"]}]\n  containers:\n", 1))
	p.phase(view.PhaseFailed)
	if _, n := p.started(); n != 0 {
		t.Error("the container was started")
	}
	if files, _ := filepath.Glob(filepath.Join(s.podLogs, "default_"+p.full()+"_*", "bad", "*.log")); len(files) == 0 {
		t.Error("the init container has no log")
	}
}
