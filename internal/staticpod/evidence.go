package staticpod

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/podlogs"
)

// oomKilled is the reason that a runtime gives for it, and that the kernel's own count gives where the runtime missed it.
const oomKilled = "OOMKilled"

// reasons corrects what a runtime says of containers that ended by what the kernel counted.
func (p *Pods) reasons(cs []Container) {
	for i := range cs {
		if c := &cs[i]; c.State == Exited && c.Reason != oomKilled && p.kernel.killed(*c) {
			c.Reason = oomKilled
		}
	}
}

// recordDeath writes down how a container ended, with what is left to see of it.
func (p *Pods) recordDeath(x *pod, want *folder.Wanted, m Memory, d Death) {
	c := d.Container
	reason := c.Reason
	if reason == "" {
		reason = "Exited"
	}
	fields := map[string]string{"container": c.ID, "attempt": itoa(int(c.Attempt)), "exitCode": itoa(c.ExitCode), "image": c.Image}
	var of *corev1.Container
	if want != nil {
		of, _, _ = containerOf(&want.Pod.Spec.Spec, c.Name)
	}
	if of != nil {
		for name, q := range of.Resources.Limits {
			fields["limit."+string(name)] = q.String()
		}
	}
	said := readMessage(p.messageFile(m.UID, c.Name, c.Attempt))
	e := event.Event{Kind: event.KindExit, Subject: x.key + "/" + c.Name, Reason: reason, Time: c.Finished, Message: deathText(d, m.Containers[c.Name].LastLong), Fields: fields}
	if c.LogPath != "" {
		policy := podlogs.Evidence
		if of != nil && of.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError && c.ExitCode != 0 && said == "" {
			policy = podlogs.Termination
		}
		e.Log, _ = podlogs.LastLines(c.LogPath, policy) // a log that can't be read is one piece of evidence less
	}
	if said != "" { // a container's own words, which may be a secret as those of its log: root's to read
		e.Log = strings.TrimSuffix(said+"\n"+e.Log, "\n")
	}
	p.d.Record(e)
}
