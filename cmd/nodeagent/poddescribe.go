package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/agent"
	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// eventsShown is how many events a description has room for.
const eventsShown = 30

// description is all that is known of one pod. Field names are stable.
type description struct {
	Pod      view.Pod      `json:"pod"`
	Daemon   bool          `json:"daemon"` // false: none ran, the command looked by itself
	Reason   string        `json:"reason,omitempty"`
	Fix      string        `json:"fix,omitempty"`
	Manifest *manifestView `json:"manifest,omitempty"` // absent where it can't be read
	Events   []event.Event `json:"events"`             // oldest first; with the last log lines, for root
	Notes    []string      `json:"notes,omitempty"`    // what could not be found out, and why
}

// manifestView is what the manifest says beside what is seen.
type manifestView struct {
	Path    string                                 `json:"path"`
	QOS     string                                 `json:"qosClass"`
	Changed bool                                   `json:"changed"` // what runs is of another content
	Volumes []string                               `json:"volumes,omitempty"`
	Limits  map[string]corev1.ResourceRequirements `json:"resources,omitempty"` // by container
}

func newPodsDescribe(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show all that is known of one static pod",
		Long: `describe shows one pod: its status with what to do, its containers with their
last ends and probes, what it uses, and what happened to it; as root also the
last lines that a container wrote before each end. NAME is NAME or
NAMESPACE/NAME.

With no daemon it looks once by itself, as status does, and reads the timeline
from its files.`,
		Example: `  sudo nodeagent pods describe web
  sudo nodeagent pods describe default/web --since 3h
  sudo nodeagent pods describe web -o json | jq '.pod.containers[].lastExit'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completePod,
	}
	output := outputFlag(cmd)
	from := cmd.Flags().String("since", "24h", "events since `TIME`: 3h, 0 for all")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		t, err := parseSince(*from, now())
		if err != nil {
			return wrong("%w", err)
		}
		d, why, err := g.describe(cmd, args[0], t)
		if err != nil {
			return err
		}
		if *output != asTable {
			return output.print(cmd.OutOrStdout(), d)
		}
		s := screenOf(cmd)
		if why != "" {
			for _, l := range wrap("", why, s.width) {
				fmt.Fprintln(s, s.painter.paint(toneDoubt, l))
			}
		}
		_, err = fmt.Fprint(s, describeText(d, now(), s.width, s.painter))
		return err
	})
	return cmd
}

// describe gathers what is known. Of a pod that is gone the timeline may still know.
func (g *globals) describe(cmd *cobra.Command, name string, t time.Time) (description, string, error) {
	c, socket := g.client()
	defer c.Close()
	s, why, err := statusOrLook(cmd.Context(), g, c, socket)
	if err != nil {
		return description{}, why, err
	}
	pod, err := findPod(s.Pods, name)
	if err != nil {
		return description{}, why, err
	}
	d := description{Pod: pod, Daemon: s.Daemon, Events: []event.Event{}}
	for _, c := range s.Conditions {
		for _, sub := range c.Subjects {
			if c.Name == "StaticPods" && sub.Name == podName(pod) && (sub.Status == "failing" || sub.Status == "unknown") {
				d.Reason, d.Fix = sub.Reason, sub.Fix
				d.Pod.Message = cmp.Or(d.Pod.Message, sub.Message)
			}
		}
	}
	m, err := agent.ManifestOf(g.lenient(), s.Node, pod)
	switch {
	case err == nil:
		d.Manifest = viewManifest(m)
	case errors.Is(err, os.ErrPermission):
		d.Notes = append(d.Notes, "the manifest can't be read: run it with sudo")
	default:
		d.Notes = append(d.Notes, "of the manifest nothing is known: "+view.OneLine(err.Error()))
	}
	list, note := g.podEvents(cmd.Context(), podName(pod), t)
	if note != "" {
		d.Notes = append(d.Notes, note)
	}
	d.Events = append(d.Events, list...)
	return d, why, nil
}

func viewManifest(m agent.PodManifest) *manifestView {
	v := &manifestView{Path: m.Path, QOS: m.QOS, Changed: m.Changed, Limits: map[string]corev1.ResourceRequirements{}}
	for _, vol := range m.Spec.Spec.Volumes {
		v.Volumes = append(v.Volumes, volumeText(vol))
	}
	for _, c := range slices.Concat(m.Spec.Spec.InitContainers, m.Spec.Spec.Containers) {
		if len(c.Resources.Limits)+len(c.Resources.Requests) > 0 {
			v.Limits[c.Name] = c.Resources
		}
	}
	return v
}

// volumeText is a volume's name and what it is made of.
func volumeText(v corev1.Volume) string {
	what := "other"
	switch s := v.VolumeSource; {
	case s.HostPath != nil:
		what = "hostPath " + s.HostPath.Path
	case s.EmptyDir != nil && s.EmptyDir.Medium == corev1.StorageMediumMemory:
		what = "emptyDir in memory"
	case s.EmptyDir != nil:
		what = "emptyDir"
	case s.ConfigMap != nil:
		what = "ConfigMap " + s.ConfigMap.Name
	case s.Secret != nil:
		what = "Secret " + s.Secret.SecretName
	case s.Projected != nil:
		what = "projected"
	case s.DownwardAPI != nil:
		what = "downwardAPI"
	}
	return v.Name + " (" + what + ")"
}
