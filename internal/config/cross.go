package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// crossCheck finds values that are possible each by itself and not together. Keys whose own value was refused are left
// out: they would be compared with a default that nobody asked for.
func crossCheck(c Config, origins map[string]Origin, refused map[string]bool) []Problem {
	var list []Problem
	note := func(key, message, fix string) {
		o := origins[key]
		list = append(list, Problem{o.File, o.Line, o.Column, key, message, fix})
	}
	atMost := func(small string, a time.Duration, large string, b time.Duration) {
		switch {
		case a <= b || refused[small] || refused[large]:
		case origins[small].File != "":
			note(small, fmt.Sprintf("%s is longer than %s (%s, %s)", shortDuration(a), large, shortDuration(b), origins[large]),
				"give at most "+shortDuration(b))
		default:
			note(large, fmt.Sprintf("%s is shorter than %s (%s, default)", shortDuration(b), small, shortDuration(a)),
				"give at least "+shortDuration(a)+", or a shorter "+small)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Keepalive.Policies)) {
		if key := "keepalive.policies." + name; len(c.Keepalive.Policies[name].Counts) == 0 && !refusedBelow(refused, key) {
			list = append(list, Problem{Key: key, Message: "no condition counts", Fix: "name at least one: counts: {HAProxy: {weight: -120}}"})
		}
	}
	back := c.CrashLoopBackOff
	atMost("runtimeProbeTimeout", c.RuntimeProbeTimeout, "runtimeRequestTimeout", c.RuntimeRequestTimeout)
	atMost("network.probeTimeout", c.Network.ProbeTimeout, "network.probeInterval", c.Network.ProbeInterval)
	atMost("certificates.alarmBefore", c.Certificates.AlarmBefore, "certificates.renewBefore", c.Certificates.RenewBefore)
	atMost("crashLoopBackOff.initialDelay", back.InitialDelay, "crashLoopBackOff.maxContainerRestartPeriod", back.MaxContainerRestartPeriod)
	atMost("crashLoopBackOff.imagePullInitialDelay", back.ImagePullInitialDelay, "crashLoopBackOff.maxImagePullPeriod", back.MaxImagePullPeriod)
	atMost("components.slowAfter", c.Components.SlowAfter, "components.probeTimeout", c.Components.ProbeTimeout)

	if name := path.Base(c.Components.Kubeconfig); name == "admin.conf" || name == "super-admin.conf" {
		note("components.kubeconfig", c.Components.Kubeconfig+" belongs to an administrator of the cluster",
			"name /etc/kubernetes/kubelet.conf, which has the rights of a node, or leave it empty")
	}
	if c.StateDir == c.RunDir && !refused["stateDir"] && !refused["runDir"] {
		key := "runDir"
		if origins[key].File == "" {
			key = "stateDir"
		}
		note(key, c.StateDir+" is both stateDir and runDir", "give each a folder of its own: runDir is emptied at a reboot")
	}
	if origins["api.socket"].File == "" && len(c.API.Socket) > maxSocketPath && !refused["runDir"] {
		note("runDir", fmt.Sprintf("the socket %s in it would have %d bytes, and the kernel takes %d", path.Base(c.API.Socket), len(c.API.Socket), maxSocketPath),
			"give a shorter path, or set api.socket")
	}
	return list
}

// refusedBelow says whether a key below path was refused already.
func refusedBelow(refused map[string]bool, path string) bool {
	for key := range refused {
		if strings.HasPrefix(key, path+".") {
			return true
		}
	}
	return false
}
