package main

import (
	"path/filepath"
	"strconv"
	"time"

	"nodeagent/internal/view"
)

// now is the time in the place that people read it in.
func now() time.Time { return time.Now().Local() }

var podColumns = []column{
	{title: "NAMESPACE/NAME", min: 20}, {title: "READY"}, {title: "PHASE"}, {title: "RESTARTS"}, {title: "SINCE"}, {title: "NEXT"},
	{title: "IP", drop: true}, {title: "FILE", min: 12, drop: true},
}

// podName is a pod's key; a file of which no pod is known has its name alone.
func podName(p view.Pod) string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// podTable shows static pods; messages adds a line of its own for what is the matter with each.
func podTable(pods []view.Pod, now time.Time, width int, p painter, messages bool) string {
	if len(pods) == 0 {
		return "no static pods\n"
	}
	var rows []row
	for _, pod := range pods {
		ready := "no"
		if pod.Ready {
			ready = "yes"
		}
		next, file := "", ""
		if !pod.NextStart.IsZero() {
			next = "in " + age(pod.NextStart.Sub(now).Round(time.Second))
		}
		if pod.File != "" {
			file = view.OneLine(filepath.Base(pod.File))
		}
		r := row{tone: podTone(pod), cells: []string{
			view.OneLine(podName(pod)), ready, view.OneLine(pod.Phase), strconv.Itoa(pod.Restarts), since(pod.Since, now), next, view.OneLine(pod.IP), file,
		}}
		if messages && pod.Message != "" && !(pod.Ready && pod.Phase == view.PhaseRunning) {
			r.below = wrap("  ", view.OneLine(pod.Message), width)
		}
		rows = append(rows, r)
	}
	return table(podColumns, rows, width, p)
}

func podTone(p view.Pod) tone {
	switch p.Phase {
	case view.PhaseRunning, view.PhaseSucceeded:
		if p.Ready || p.Phase == view.PhaseSucceeded {
			return toneGood
		}
		return toneDoubt
	case view.PhaseBackOff, view.PhaseCrashLoop, view.PhaseFailed, view.PhaseMissing, view.PhaseStale, view.PhaseDuplicate, view.PhaseNoManifest, view.PhaseRefused:
		return toneBad
	}
	return toneDoubt
}
