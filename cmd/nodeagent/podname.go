package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

// podName is a pod's key; a file of which no pod is known has its name alone.
func podName(p view.Pod) string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// findPod finds the pod that a person means: by NAMESPACE/NAME, or by a NAME that one pod alone has.
func findPod(pods []view.Pod, name string) (view.Pod, error) {
	var found []view.Pod
	for _, p := range pods {
		if podName(p) == name {
			return p, nil
		}
		if p.Name == name {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return view.Pod{}, noPod(name, keysOf(pods))
	}
	return view.Pod{}, &view.Error{Problem: "there are several pods " + view.OneLine(name), Fix: "say one of " + strings.Join(keysOf(found), ", ")}
}

// namesShown is how many names an answer has room for.
const namesShown = 12

func noPod(name string, known []string) error {
	fix := "see `nodeagent pods` for the names"
	if n := len(known); n > 0 && n <= namesShown {
		fix = "there are " + strings.Join(known, ", ")
		if n == 1 {
			fix = "there is " + known[0]
		}
	}
	return &view.Error{Problem: "no static pod " + view.OneLine(name) + " here", Fix: fix}
}

func keysOf(pods []view.Pod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, view.OneLine(podName(p)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// splitName is the namespace, empty where none is said, and the name.
func splitName(s string) (namespace, name string) {
	if ns, n, ok := strings.Cut(s, "/"); ok {
		return ns, n
	}
	return "", s
}

// completePod completes a command's first argument.
func (g *globals) completePod(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, _ := g.client()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	pods, err := c.Pods(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return keysOf(pods), cobra.ShellCompDirectiveNoFileComp
}
