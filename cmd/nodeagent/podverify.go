package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/verify"
	"nodeagent/internal/view"
)

// procfs is where the kernel shows processes.
const procfs = "/proc"

func newPodsVerify(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Prove which namespaces a pod's containers share (as root)",
		Long: `verify reads from /proc, of each running container of a pod and of its sandbox,
the namespaces, the root and the cgroup, and holds them against the manifest.
What could not be read is unknown, never ok. It exits with 1 if something is not
as the manifest says, 2 if something is unknown. NAME is NAME or NAMESPACE/NAME.`,
		Example: `  sudo nodeagent pods verify web
  sudo nodeagent pods verify default/web -o json | jq '.[] | select(.ok | not)'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completePod,
	}
	output := outputFlag(cmd)
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		if err := forRoot("the namespaces of others' processes are root's to see"); err != nil {
			return err
		}
		c, socket := g.client()
		defer c.Close()
		s, why, err := statusOrLook(cmd.Context(), g, c, socket)
		if err != nil {
			return err
		}
		pod, err := findPod(s.Pods, args[0])
		if err != nil {
			return err
		}
		m, err := agent.ManifestOf(g.lenient(), s.Node, pod)
		switch {
		case err != nil:
			return &view.Error{Problem: "what " + podName(pod) + " should be is not known: " + err.Error(), Fix: "put the manifest back, or correct it"}
		case m.Changed:
			why = strings.TrimSpace(why + " what runs is of another content than " + m.Path + " has now; it is held against that")
		}
		report, err := verify.Look(cmd.Context(), procfs, members(procfs, pod))
		if err != nil {
			return err
		}
		result := verify.Judge(report, wantOf(m, report))
		if *output != asTable {
			if err := output.print(cmd.OutOrStdout(), result); err != nil {
				return err
			}
			return exits(verifyCode(result))
		}
		out := screenOf(cmd)
		for _, l := range wrap("", why, out.width) {
			fmt.Fprintln(out, out.painter.paint(toneDoubt, l))
		}
		fmt.Fprintf(out, "%s: %s\n", view.OneLine(podName(pod)), processes(len(report.Members)))
		if _, err := fmt.Fprint(out, verify.Table(result)); err != nil {
			return err
		}
		return exits(verifyCode(result))
	})
	return cmd
}

// members are the first processes of a pod's running containers, and its sandbox's.
func members(proc string, p view.Pod) []verify.Member {
	var out []verify.Member
	for _, c := range p.Containers {
		if c.State == "running" && c.PID > 0 {
			out = append(out, verify.Member{Name: c.Name, PID: c.PID, Role: verify.Container, ID: c.ID})
		}
	}
	if pid := sandboxProcess(proc, p.Sandbox); pid > 0 {
		out = append(out, verify.Member{Name: "sandbox", PID: pid, Role: verify.Sandbox, ID: p.Sandbox})
	}
	return out
}

// sandboxProcess is the process that holds a sandbox's namespaces: the oldest in the cgroup that is named after it. Some runtimes have none,
// and then it is 0.
func sandboxProcess(proc, id string) int {
	if id == "" {
		return 0
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0
	}
	var pids []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, n)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
		if err == nil && strings.Contains(string(b), id) {
			return pid
		}
	}
	return 0
}

// wantOf is what a manifest asks for. Of the places that the pod's cgroup may have it takes the one in which a process is, else the first:
// none is then where it should be.
func wantOf(m agent.PodManifest, r verify.Report) verify.Want {
	s := m.Spec.Spec
	w := verify.Want{HostNetwork: s.HostNetwork, HostPID: s.HostPID, HostIPC: s.HostIPC, ShareProcessNamespace: s.ShareProcessNamespace != nil && *s.ShareProcessNamespace,
		UserNamespace: s.HostUsers != nil && !*s.HostUsers}
	for i, at := range m.Cgroups {
		below := slices.ContainsFunc(r.Members, func(p verify.Process) bool {
			return slices.ContainsFunc(p.Cgroups, func(c string) bool { return strings.HasPrefix(c+"/", at+"/") })
		})
		if i == 0 || below {
			w.Cgroup = at
		}
	}
	return w
}

func verifyCode(lines []verify.Line) int {
	code := exitOK
	for _, l := range lines {
		switch l.Status {
		case health.OK:
		case health.Failing:
			return exitProblem
		default:
			code = exitUnknown
		}
	}
	return code
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}
