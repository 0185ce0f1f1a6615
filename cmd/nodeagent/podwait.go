package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/view"
)

// lookAgain is how long a long poll may stay silent before the pods are asked for: what the status bounds it does not tell.
const lookAgain = 5 * time.Second

// restartAndWait restarts a pod and says what becomes of it, until it runs again and is ready.
func restartAndWait(ctx context.Context, out io.Writer, c *client.Client, name string, timeout time.Duration) error {
	pods, err := c.Pods(ctx)
	if err != nil {
		return err
	}
	before, err := findPod(pods, name)
	if err != nil {
		return err
	}
	key := podName(before)
	if err := c.RestartPod(ctx, key); err != nil {
		return err
	}
	began := time.Now()
	wait, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	progress := func(text string) error {
		_, err := fmt.Fprintf(out, "%s  %s\n", now().Format("15:04:05"), view.OneLine(text))
		return err
	}
	if err := progress("restart of " + key + " is under way"); err != nil {
		return err
	}
	var seq uint64
	var last view.Pod
	told := stateText(before)
	for {
		pods, next, err := podsAfter(wait, c, seq)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case wait.Err() != nil:
			return &view.Error{Problem: fmt.Sprintf("%s does not run again after %v: %s", key, timeout, stateText(last)), Fix: "see `nodeagent pods describe " + key + "`"}
		case err != nil:
			return err
		}
		seq = next
		if last, err = findPod(pods, key); err != nil {
			return &view.Error{Problem: key + " is gone: its manifest was taken away", Fix: "see `nodeagent pods`"}
		}
		done, failed := restarted(before, last)
		switch {
		case done:
			return progress(fmt.Sprintf("%s runs again and is ready after %v", key, time.Since(began).Round(time.Second/10)))
		case failed:
			return &view.Error{Problem: key + " was started again and " + stateText(last), Fix: "see `nodeagent pods describe " + key + "`"}
		}
		if text := stateText(last); text != told {
			told = text
			if err := progress(text); err != nil {
				return err
			}
		}
	}
}

// podsAfter waits for a change of the node's status, for a little while, and gives the pods.
func podsAfter(ctx context.Context, c *client.Client, seq uint64) ([]view.Pod, uint64, error) {
	poll, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	answer, err := c.Watch(poll, seq)
	if err != nil && errors.Is(err, client.ErrTimeout) && ctx.Err() == nil {
		pods, err := c.Pods(ctx)
		return pods, seq, err
	}
	return answer.Status.Pods, answer.Seq, err
}

// restarted tells whether a pod runs in another sandbox than before and is ready, or ended there for good. Where no sandbox is told, its
// containers must be others.
func restarted(before, p view.Pod) (done, failed bool) {
	if p.Sandbox != "" || before.Sandbox != "" {
		if p.Sandbox == "" || p.Sandbox == before.Sandbox {
			return false, false
		}
	} else if !others(before, p) {
		return false, false
	}
	switch p.Phase {
	case view.PhaseRunning:
		return p.Ready, false
	case view.PhaseSucceeded:
		return true, false
	}
	return false, p.Phase == view.PhaseFailed
}

func others(before, p view.Pod) bool {
	old := map[string]bool{}
	for _, c := range before.Containers {
		old[c.ID] = true
	}
	for _, c := range p.Containers {
		if c.ID == "" || old[c.ID] {
			return false
		}
	}
	return len(p.Containers) > 0
}

// stateText is a pod's status and what is said of it.
func stateText(p view.Pod) string {
	text := view.OneLine(p.Phase)
	if text == "" {
		return "nothing is known of it"
	}
	if p.Message != "" {
		text += ": " + view.OneLine(p.Message)
	}
	return text
}
