package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"nodeagent/internal/view"
)

// now is the time in the place that people read it in.
func now() time.Time { return time.Now().Local() }

var podColumns = []column{
	{title: "NAMESPACE/NAME", min: 12}, {title: "READY"}, {title: "STATUS"}, {title: "RESTARTS"}, {title: "CPU"}, {title: "MEM"}, {title: "SINCE"}, {title: "NEXT"},
	{title: "IP", drop: true}, {title: "FILE", min: 12, drop: true},
}

// podTable shows static pods; messages adds a line of its own for what is the matter with each.
func podTable(pods []view.Pod, now time.Time, width int, p painter, messages bool) string {
	if len(pods) == 0 {
		return "no static pods\n"
	}
	var rows []row
	for _, pod := range pods {
		cpu, mem, file := "", "", ""
		if pod.Usage != nil {
			cpu, mem = cores(pod.Usage.CPU), bytesText(pod.Usage.WorkingSet)
		}
		if pod.File != "" {
			file = view.OneLine(filepath.Base(pod.File))
		}
		r := row{tone: podTone(pod), cells: []string{
			view.OneLine(podName(pod)), readyText(pod), view.OneLine(pod.Phase), strconv.Itoa(pod.Restarts), cpu, mem, since(pod.Since, now), nextText(pod, now),
			view.OneLine(pod.IP), file,
		}}
		if messages && pod.Message != "" && !(pod.Ready && pod.Phase == view.PhaseRunning) {
			r.below = wrap("  ", view.OneLine(pod.Message), width)
		}
		rows = append(rows, r)
	}
	_, widths := fit(podColumns, rows, width)
	for i := range rows {
		if name := rows[i].cells[0]; utf8.RuneCountInString(name) > widths[0] { // it is cut, and verbs need the whole of it
			rows[i].below = append(wrap("  ", name, width), rows[i].below...)
		}
	}
	return table(podColumns, rows, width, p)
}

// readyText counts the containers that are ready, of those that are to run all the time.
func readyText(p view.Pod) string {
	ready, all := 0, 0
	for _, c := range p.Containers {
		if c.Role == "init" {
			continue
		}
		all++
		if c.Ready {
			ready++
		}
	}
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", ready, all)
}

// nextText is when a pod starts that does not run.
func nextText(p view.Pod, now time.Time) string {
	switch {
	case !p.StoppedUntil.IsZero():
		return "at " + clock(p.StoppedUntil, now)
	case !p.NextStart.IsZero():
		return "in " + age(p.NextStart.Sub(now).Round(time.Second))
	}
	return ""
}

// cores in thousandths, as Kubernetes writes them.
func cores(n float64) string { return fmt.Sprintf("%.0fm", n*1000) }

// bytesText is a size in the unit that gives it two to four digits.
func bytesText(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d", n)
	case n < 10<<20:
		return fmt.Sprintf("%dKi", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%dMi", n>>20)
	}
	return fmt.Sprintf("%dGi", n>>30)
}

func podTone(p view.Pod) tone {
	switch p.Phase {
	case view.PhaseRunning, view.PhaseSucceeded:
		if p.Ready || p.Phase == view.PhaseSucceeded {
			return toneGood
		}
		return toneDoubt
	case view.PhaseBackOff, view.PhaseCrashLoop, view.PhaseFailed, view.PhaseMissing, view.PhaseStale, view.PhaseDuplicate, view.PhaseNoManifest, view.PhaseRefused,
		view.PhaseNotReady:
		return toneBad
	}
	return toneDoubt
}
