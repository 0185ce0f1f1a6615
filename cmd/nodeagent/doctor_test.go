package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nodeagent/internal/component/doctor"
	"nodeagent/internal/view"
)

// dark is a control plane on which a full disk has stopped etcd, and all that stands on it.
func dark() view.Status {
	at := time.Date(2026, 1, 31, 3, 12, 0, 0, time.UTC)
	one := func(name, impact, subject, status, reason, message, fix string) view.Condition {
		return view.Condition{Name: name, Impact: impact, Subjects: []view.Subject{{Name: subject, Status: status, Reason: reason, Message: message, Fix: fix, Since: at}}}
	}
	return view.Status{Node: "cp1", Time: at, Conditions: []view.Condition{
		one("RuntimeResponsive", "critical", "", "ok", "", "containerd 1.7.2", ""),
		one("ImageFilesystem", "degraded", "/var/lib/containerd", "unknown", "NotReported", "ImageFsInfo told no file system", ""),
		one("Clock", "degraded", "", "failing", "SourceLost", "the clock may be off by 5.2s: it was set last about 2h50m0s ago", "`chronyc sources` shows which server does not answer."),
		one("Filesystems", "degraded", "/var/lib/etcd", "failing", "SpaceLow", "0.3 % of 20.0 GiB free, less than 10 %: etcd", "`du -xh --max-depth=2 PATH | sort -h | tail` shows what takes it. Old logs: `journalctl --vacuum-size=500M`."),
		one("Etcd", "critical", "", "failing", "Down", "no process etcd runs, though its manifest is there", "`crictl logs ID` tells why it ended."),
		one("APIServer", "critical", "", "failing", "NotListening", "127.0.0.1:6443 refuses connections", "It waits for etcd."),
		one("HAProxy", "critical", "apis", "failing", "NoLiveBackend", "no server of apis lives", "Look at the apiservers first."),
		one("NetworkReady", "critical", "", "ok", "", "", ""),
		{Name: "StaticPods", Impact: "critical", Subjects: []view.Subject{
			{Name: "kube-system/etcd", Status: "failing", Reason: "CrashLooping", Since: at},
			{Name: "default/web", Status: "failing", Reason: "CrashLooping", Since: at, Muted: &view.Mute{Condition: "StaticPods", Subject: "default/web"}},
		}},
	}}
}

// deadlocked is the same node with an etcd that kubelet does not even begin with.
func deadlocked() view.Status {
	s := dark()
	s.Conditions[3].Subjects[0].Status = "ok"
	s.Conditions[8].Subjects[0].Reason = "NotStarted"
	return s
}

// behind is a node whose kubelet waits behind a balancer that does not tell what is behind it.
func behind() view.Status {
	s := deadlocked()
	s.Conditions[6].Subjects[0] = view.Subject{Status: "ok"}
	s.VIP = &view.VIP{Balancer: &view.Balancer{Kubelet: "through"}}
	return s
}

// unsynced is a node whose kubelet has seen no apiserver, and keeps the old one although its manifest was corrected.
func unsynced() view.Status {
	s := behind()
	s.VIP = nil
	s.Conditions[4].Subjects[0].Status = "ok"
	s.Conditions[8].Subjects[0] = view.Subject{Name: "kube-system/kube-apiserver", Status: "failing", Reason: "Stale", Message: "it runs with what its manifest said until 03:00"}
	return s
}

// stopped is a node whose kubelet would be caught as soon as somebody starts it.
func stopped() view.Status {
	s := deadlocked()
	s.Conditions[6].Subjects[0].Reason = "KubeletDeadlock"
	s.Conditions = append(s.Conditions, view.Condition{Name: "Kubelet", Impact: "critical", Subjects: []view.Subject{
		{Status: "failing", Reason: "Stopped", Message: "kubelet.service is inactive (enabled): somebody stopped it", Fix: "`systemctl start kubelet` if that is over."}}})
	return s
}

func TestDoctorText(t *testing.T) {
	for name, s := range map[string]view.Status{"doctor": dark(), "doctor-deadlock": deadlocked(), "doctor-behind": behind(), "doctor-unsynced": unsynced(), "doctor-stopped": stopped(), "doctor-well": {Node: "w1", Conditions: dark().Conditions[:1]}} {
		text := doctorText(doctor.Examine(s), "no daemon is running (/run/nodeagent/nodeagent.sock): looked once by myself", 80, painter{})
		golden(t, name, text)
		for l := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > 80 {
				t.Errorf("%s: a line of %d characters: %s", name, n, l)
			}
		}
	}
}

func TestDoctorExit(t *testing.T) {
	for status, want := range map[string]int{"ok": 0, "failing": 1, "unknown": 2} {
		if got := doctorExit(status); got != want {
			t.Errorf("%s: %d, want %d", status, got, want)
		}
	}
}
