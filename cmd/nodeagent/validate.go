package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"nodeagent/internal/config"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

// Who will run the manifests that are looked at.
const (
	byAgent   = "run"
	byKubelet = "kubelet"
)

func newValidate(g *globals) *cobra.Command {
	mode, explain := "", false
	cmd := &cobra.Command{
		Use:   "validate FILE|FOLDER|- ...",
		Short: "Look for faults in static pod manifests",
		Long: `validate reads manifests strictly and prints every fault with file, line and
column; "-" is stdin. Of a folder it reads what would be read as a manifest, and
says what would not.

--mode run judges them for this agent, --mode kubelet for a kubelet, and says
what that would do with each file; the default follows staticPods.mode of the
configuration. It exits with 1 if there is an error, and with --mode kubelet for
a warning too: that is something written which a kubelet passes over in silence.

--explain says what putting the files into the manifest folder would do to what
runs now: create, replace (and in which fields), keep, refuse; of a folder, what
it would do in that folder's place, with what it would remove; of a ConfigMap or
Secret, which pods see the change, and how. Nothing is changed.`,
		Example: `  nodeagent validate web.yaml
  sudo nodeagent validate --explain web.yaml
  nodeagent validate --mode kubelet /etc/kubernetes/manifests
  kubectl create --dry-run=client -o yaml -f web.yaml | nodeagent validate -`,
		Args: cobra.MinimumNArgs(1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			v := &validation{in: cmd.InOrStdin(), out: cmd.OutOrStdout(), holder: map[string]string{}}
			switch {
			case mode == byAgent, mode == "" && g.lenient().StaticPods.Mode == config.ModeRun:
			case mode == byKubelet, mode == "":
				v.kubelet, v.node = true, g.nodeName(cmd.Context())
				if explain {
					return wrong("--explain tells what this agent would do, and a kubelet runs the pods here: do without it, or say --mode run")
				}
			default:
				return wrong("--mode %q: want run or kubelet", view.OneLine(mode))
			}
			v.quiet = explain
			for _, path := range args {
				v.path(path)
			}
			if explain {
				if err := g.explain(cmd, args); err != nil {
					return err
				}
			}
			if err := say(cmd, v.summary()); err != nil {
				return err
			}
			return exits(v.code())
		}),
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "what the files would do to what runs now")
	cmd.Flags().StringVar(&mode, "mode", "", "`WHO` runs them: run (this agent) or kubelet")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{byAgent, byKubelet}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// nameWithoutDaemon is the node's name as the configuration or a kubelet says it, else the host's.
func nameWithoutDaemon(g *globals) string {
	if l, err := config.Load(g.configOptions()); err == nil && l.Config.NodeName != "" {
		return l.Config.NodeName
	}
	if name := kubelet.Find("/").NodeName; name != "" {
		return name
	}
	name, _ := os.Hostname() // it is not known, then, and matches nothing
	return name
}

// validation is one run over some files.
type validation struct {
	in      io.Reader
	out     io.Writer
	kubelet bool
	quiet   bool // say what is wrong alone
	node    string
	holder  map[string]string // file of each pod

	files, pods, errors, warnings int
}

func (v *validation) path(path string) {
	if path == "-" {
		data, err := io.ReadAll(io.LimitReader(v.in, manifest.MaxBytes+1))
		v.take("stdin", data, err)
		return
	}
	st, err := os.Stat(path)
	if err == nil && st.IsDir() {
		v.folder(path)
		return
	}
	data, err := readRegular(path)
	v.take(path, data, err)
}

// folder reads a folder as a kubelet and the agent do: sorted, not recursive, without names that begin with a dot.
func (v *validation) folder(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		v.report(manifest.Problem{File: path, Message: "can't be read: " + cause(err)})
		return
	}
	for _, e := range entries {
		file := filepath.Join(path, e.Name())
		if why, ignored := manifest.IgnoredName(e.Name()); ignored && (why == "" || !v.kubelet) {
			if why != "" {
				v.report(manifest.Problem{File: file, Message: "is not read: " + why, Warning: true})
			}
			continue
		}
		data, err := readRegular(file)
		if errors.Is(err, errNoFile) {
			v.report(manifest.Problem{File: file, Message: "is not read: it is no file", Fix: "folders are not descended into", Warning: true})
			continue
		}
		v.take(file, data, err)
	}
}

// take judges one file.
func (v *validation) take(file string, data []byte, err error) {
	v.files++
	if err != nil {
		v.report(manifest.Problem{File: file, Message: "can't be read: " + cause(err)})
		return
	}
	if v.kubelet {
		verdict := manifest.KubeletVerdict(file, data, v.node)
		v.report(verdict.Problems...)
		v.say(file, verdict.Summary)
		if verdict.Pod != nil {
			v.claim(file, *verdict.Pod)
		}
		return
	}
	r := manifest.Parse(file, data, manifest.Options{NodeName: v.node, Mode: manifest.Run})
	if why, ignored := manifest.IgnoredName(filepath.Base(file)); ignored && file != "stdin" {
		if why == "" {
			why = "its name begins with a dot"
		}
		v.report(manifest.Problem{File: file, Message: "in the manifest folder it would not be read: " + why, Warning: true})
	}
	v.report(r.Problems...)
	if r.Failed() {
		v.say(file, "the agent refuses the file; pods of its last good version run on")
	}
	for _, p := range r.Pods {
		if !r.Failed() {
			v.say(file, "the agent runs "+p.Key())
		}
		v.claim(file, p)
	}
}

// claim counts a pod and finds a second file of the same one.
func (v *validation) claim(file string, p manifest.Pod) {
	v.pods++
	first, taken := v.holder[p.Key()]
	if !taken {
		v.holder[p.Key()] = file
		return
	}
	problem := manifest.Problem{File: file, Key: "metadata.name", Message: "the pod " + p.Key() + " stands in " + first + " too", Fix: "keep one of the two; the agent goes on with the one that runs"}
	if v.kubelet {
		problem.Fix = "keep one of the two; a kubelet runs the one whose file name comes last"
	}
	v.report(problem)
}

func (v *validation) report(problems ...manifest.Problem) {
	for _, p := range problems {
		if p.Warning {
			v.warnings++
		} else {
			v.errors++
		}
		fmt.Fprintln(v.out, view.OneLine(p.String()))
	}
}

func (v *validation) say(file, text string) {
	if !v.quiet {
		fmt.Fprintln(v.out, view.OneLine(file+": "+text))
	}
}

func (v *validation) summary() string {
	text := plural(v.files, "file") + ", " + plural(v.pods, "pod") + ", " + plural(v.errors, "error")
	if v.warnings > 0 {
		text += ", " + plural(v.warnings, "warning")
	}
	return text
}

func (v *validation) code() int {
	if v.errors > 0 || v.kubelet && v.warnings > 0 {
		return exitProblem
	}
	return exitOK
}

var errNoFile = errors.New("not a regular file")

// readRegular reads a file, one byte more than a manifest may have. It opens without blocking: a FIFO would hold it for ever.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) { // a socket, or a device with no driver
		return nil, errNoFile
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, errNoFile
	}
	return io.ReadAll(io.LimitReader(f, manifest.MaxBytes+1))
}

// cause is an error without the path, which stands in front of it already.
func cause(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
