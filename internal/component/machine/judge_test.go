package machine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

// short is a finding in one word, with its reason.
func short(f health.Finding) string {
	if f.Reason == nil {
		return f.Status.String()
	}
	return f.Status.String() + "/" + f.Reason.Name
}

func TestClock(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    clock
		want string
	}{
		{"kept", clock{maxError: 30 * time.Millisecond, offset: 40 * time.Microsecond}, "ok"},
		{"at the longest poll", clock{maxError: 1100 * time.Millisecond}, "ok"},
		{"never set", clock{maxError: 16 * time.Second}, "failing/NotSynchronised"},
		{"not set for hours", clock{maxError: 5 * time.Second}, "failing/SourceLost"},
		{"behind", clock{maxError: time.Millisecond, offset: -300 * time.Millisecond}, "failing/OffsetLarge"},
		{"ahead", clock{maxError: time.Millisecond, offset: 100 * time.Millisecond}, "failing/OffsetLarge"},
		{"told that it is set", clock{told: true, set: true}, "ok"},
		{"told that it is not", clock{told: true}, "failing/NotSynchronised"},
		{"refused", clock{err: errors.New("adjtimex: operation not permitted")}, "unknown/NotAllowed"},
	} {
		if got := short(judgeClock(tt.c, 100*time.Millisecond)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := judgeClock(clock{maxError: 4 * time.Second}, time.Second).Message; !strings.Contains(got, "2h10m") {
		t.Errorf("4 s are two hours at 500 ppm: %s", got)
	}
}

func TestInotify(t *testing.T) {
	for _, tt := range []struct {
		i    instances
		want string
	}{
		{instances{left: spare}, "ok"},
		{instances{left: spare - 1}, "failing/FewLeft"},
		{instances{left: 0}, "failing/UsedUp"},
		{instances{left: 0, err: errors.New("x")}, "unknown/NotAsked"},
	} {
		if got := short(judgeInotify(tt.i, "128")); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.i, got, tt.want)
		}
	}
}

func TestDisks(t *testing.T) {
	cfg := Config{}.filled()
	good := disk{device: 1, bytes: 100 << 30, free: 50 << 30, inodes: 1000, inodesFree: 900}
	full := disk{device: 2, bytes: 100 << 30, free: 9 << 30, inodes: 1000, inodesFree: 900}
	files := disk{device: 3, bytes: 100 << 30, free: 50 << 30, inodes: 1000, inodesFree: 49}
	btrfs := disk{device: 4, bytes: 100 << 30, free: 50 << 30}
	lost := disk{device: 5, bytes: 100 << 30, free: 50 << 30, inodes: 10, inodesFree: 10}
	mounts := map[uint64]mount{5: {source: "/dev/sdb", kind: "ext4", readOnly: true}}
	folders := []Folder{{"etcd", "/e"}, {"pod logs", "/l"}}
	for _, tt := range []struct {
		name string
		e, l disk
		want string
	}{
		{"one file system", good, good, "/e ok"},
		{"two", good, btrfs, "/e ok, /l ok"},
		{"full", full, good, "/e failing/SpaceLow, /l ok"},
		{"no inodes", good, files, "/e ok, /l failing/InodesLow"},
		{"read-only", lost, good, "/e failing/ReadOnly, /l ok"},
		{"not there", disk{missing: true, err: unix.ENOENT}, good, "/l ok"},
		{"none there", disk{missing: true}, disk{missing: true}, " absent"},
		{"hung", disk{hung: true, err: errors.New("late")}, good, "/e unknown/NoAnswer, /l ok"},
		{"both unreadable", disk{err: unix.EACCES}, disk{err: unix.EACCES}, "/e unknown/Unreadable, /l unknown/Unreadable"},
		{"of no size", disk{device: 9}, good, "/e unknown/Unreadable, /l ok"},
	} {
		var got []string
		for _, f := range judgeDisks(cfg, folders, map[string]disk{"/e": tt.e, "/l": tt.l}, mounts) {
			got = append(got, f.Subject+" "+short(f))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
	both := judgeDisks(cfg, folders, map[string]disk{"/e": full, "/l": full}, nil)
	if len(both) != 1 || both[0].Message != "9.0 % of 100.0 GiB free, less than 10 %: etcd, pod logs" {
		t.Errorf("two folders of one file system: %+v", both)
	}
}

func TestSwap(t *testing.T) {
	swaps := parseSwaps("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/zram0                              partition\t1\t0\t-2\n")
	here := Kubelet{Here: true, FailSwapOn: true}
	for _, tt := range []struct {
		name  string
		k     Kubelet
		swaps []string
		err   error
		want  string
	}{
		{"no kubelet", Kubelet{}, swaps, nil, "absent"},
		{"allowed", Kubelet{Here: true}, swaps, nil, "ok"},
		{"none", here, parseSwaps("Filename Type\n"), nil, "ok"},
		{"on", here, swaps, nil, "failing/SwapOn"},
		{"not read", here, nil, errors.New("x"), "unknown/NotRead"},
	} {
		if got := short(judgeSwap(tt.k, tt.swaps, tt.err)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	here.Running, here.SwapSource = true, "/var/lib/kubelet/config.yaml"
	if got := judgeSwap(here, swaps, nil).Message; got != "kubelet runs, but does not start again: swap is on (/dev/zram0), and failSwapOn is true, /var/lib/kubelet/config.yaml" {
		t.Error(got)
	}
}
