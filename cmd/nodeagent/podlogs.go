package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/staticpod/podlogs"
	"nodeagent/internal/view"
)

func newPodsLogs(g *globals) *cobra.Command {
	var o podlogs.Options
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show what a static pod wrote (as root)",
		Long: `logs reads the log files of a pod's container: the newest run of it, rotated
files too, or with --previous the run before. It needs no daemon and no runtime,
but root: log lines may hold secrets.

NAME is NAME or NAMESPACE/NAME. Of a pod with several containers -c says which.
On a terminal what could do something to it is shown as \x1b.`,
		Example: `  sudo nodeagent pods logs web
  sudo nodeagent pods logs default/web -c proxy -f --tail 20
  sudo nodeagent pods logs web --previous --timestamps`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completePod,
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Follow, "follow", "f", false, "go on with what is written, until Ctrl-C")
	f.BoolVar(&o.Previous, "previous", false, "the run before the newest one")
	f.IntVar(&o.Tail, "tail", -1, "the last `N` lines; below 0: all")
	container := f.StringP("container", "c", "", "`NAME` of the container")
	from := f.String("since", "", "`TIME`: 10m, an RFC 3339 moment")
	timestamps := f.Bool("timestamps", false, "the time of each line before it")
	cmd.MarkFlagsMutuallyExclusive("follow", "previous")
	cmd.RunE = does(func(cmd *cobra.Command, args []string) error {
		if *from != "" {
			var err error
			if o.Since, err = parseSince(*from, now()); err != nil {
				return wrong("%w", err)
			}
		}
		if err := forRoot("log lines may hold secrets"); err != nil {
			return err
		}
		root := g.lenient().PodLogsDir
		all, err := podlogs.Find(root, "", "")
		if err != nil {
			return err
		}
		pod, err := pickPod(all, args[0], g.nodeName(cmd.Context()), root)
		if err != nil {
			return err
		}
		c, err := pickContainer(pod, *container)
		if err != nil {
			return err
		}
		o.Dir = c.Dir
		s := screenOf(cmd)
		var clean func(string) string
		if s.terminal {
			clean = podlogs.Escape
		}
		return logsError(podlogs.Follow(cmd.Context(), o, podlogs.Printer(s, *timestamps, clean)), args[0], c)
	})
	return cmd
}

// pickPod finds the log folder of the pod that a person means; of one that was made anew, that which was written last. A kubelet and this
// agent both have the node's name behind the pod's.
func pickPod(all []podlogs.PodLog, asked, node, root string) (podlogs.PodLog, error) {
	namespace, name := splitName(asked)
	find := func(is func(podlogs.PodLog) bool) (podlogs.PodLog, []string) {
		var first podlogs.PodLog
		var keys []string
		for _, p := range all {
			if (namespace != "" && p.Namespace != namespace) || !is(p) {
				continue
			}
			if keys == nil {
				first = p
			}
			keys = append(keys, view.OneLine(p.Namespace+"/"+p.Name))
		}
		slices.Sort(keys)
		return first, slices.Compact(keys)
	}
	for _, is := range []func(podlogs.PodLog) bool{
		func(p podlogs.PodLog) bool { return p.Name == name || p.Name == manifest.NodePodName(name, node) },
		func(p podlogs.PodLog) bool { return strings.HasPrefix(p.Name, name+"-") }, // the node had another name then
	} {
		p, keys := find(is)
		switch {
		case len(keys) == 1:
			return p, nil
		case len(keys) > 1:
			return p, &view.Error{Problem: "there are logs of several pods " + view.OneLine(asked), Fix: "say one of " + strings.Join(keys, ", ")}
		}
	}
	_, known := find(func(podlogs.PodLog) bool { return true })
	problem := "no logs of a pod " + view.OneLine(asked) + " in " + view.OneLine(root)
	if len(known) == 0 || len(known) > namesShown {
		return podlogs.PodLog{}, &view.Error{Problem: problem, Fix: "see `nodeagent pods` for the names; podLogsDir of the configuration says where logs lie"}
	}
	return podlogs.PodLog{}, &view.Error{Problem: problem, Fix: "there are logs of " + strings.Join(known, ", ")}
}

// pickContainer is the one that is named, or the only one.
func pickContainer(p podlogs.PodLog, name string) (podlogs.ContainerLog, error) {
	var names []string
	for _, c := range p.Containers {
		if c.Name == name || name == "" && len(p.Containers) == 1 {
			return c, nil
		}
		names = append(names, view.OneLine(c.Name))
	}
	key := view.OneLine(p.Namespace + "/" + p.Name)
	switch {
	case len(names) == 0:
		return podlogs.ContainerLog{}, &view.Error{Problem: "no container of " + key + " has written a log yet", Fix: "see `nodeagent pods describe`"}
	case name == "":
		return podlogs.ContainerLog{}, &view.Error{Problem: key + " has several containers", Fix: "say which with -c: " + strings.Join(names, ", ")}
	}
	return podlogs.ContainerLog{}, &view.Error{Problem: key + " has no container " + view.OneLine(name), Fix: "it has " + strings.Join(names, ", ")}
}

// logsError says what the end of a log means to the person who reads it.
func logsError(err error, pod string, c podlogs.ContainerLog) error {
	of := "container " + view.OneLine(c.Name) + " of " + view.OneLine(pod)
	switch {
	case errors.Is(err, podlogs.ErrNone):
		return &view.Error{Problem: of + " has written no log yet", Fix: "see `nodeagent pods describe " + view.OneLine(pod) + "`"}
	case errors.Is(err, podlogs.ErrNoPrevious):
		return &view.Error{Problem: of + " has run once only", Fix: "do without --previous"}
	case errors.Is(err, podlogs.ErrRemoved):
		return &view.Error{Problem: "the log of " + of + " was removed: the pod is gone, or was made anew", Fix: "run it again"}
	case errors.Is(err, os.ErrPermission):
		return &view.Error{Problem: cmp.Or(view.OneLine(err.Error()), "no permission"), Fix: "run it with sudo"}
	}
	return err
}

// nodeNameWait bounds what a command asks to learn the node's name.
const nodeNameWait = time.Second

// nodeName is this node's name as the daemon found it, else as far as it is known without one.
func (g *globals) nodeName(ctx context.Context) string {
	c, _ := g.client()
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, nodeNameWait)
	defer cancel()
	if s, err := c.Status(ctx); err == nil && s.Node != "" {
		return s.Node
	}
	return nameWithoutDaemon(g)
}
