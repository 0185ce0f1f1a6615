package keepalive

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
)

func TestParseNotice(t *testing.T) {
	for line, want := range map[string]notice{
		`INSTANCE "VI_1" MASTER 101`:                {name: "VI_1", word: "MASTER", priority: 101},
		`INSTANCE "VI_1" BACKUP 40` + "\n":          {name: "VI_1", word: "BACKUP", priority: 40},
		`INSTANCE "a b" FAULT 0`:                    {name: "a b", word: "FAULT"},
		`INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100`:   {name: "VI_1", word: "MASTER_RX_LOWER_PRI", priority: 100},
		`GROUP "G1" STOP 0`:                         {group: true, name: "G1", word: "STOP"},
		`INSTANCE "VI_1" SOMETHING_OF_2035 255`:     {name: "VI_1", word: "SOMETHING_OF_2035", priority: 255},
		`INSTANCE "VI_1" DELETED`:                   {name: "VI_1", word: "DELETED"},
		`INSTANCE "Überträger (rack 3)" BACKUP 100`: {name: "Überträger (rack 3)", word: "BACKUP", priority: 100},
	} {
		if got, err := parseNotice(line); err != nil || got != want {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{"", "INSTANCE", `INSTANCE VI_1 MASTER 1`, `INSTANCE "" MASTER 1`, `INSTANCE "VI_1" MASTER 256`, `INSTANCE "VI_1" MASTER -1`,
		`INSTANCE "VI_1"`, `INSTANCE "VI_1" MASTER 1 2`, `NOISE "VI_1" MASTER 1`, `INSTANCE "a"b" MASTER 1`, "INSTANCE \"a\x1b\" MASTER 1", `INSTANCE "` + strings.Repeat("x", 2000) + `" MASTER 1`} {
		if got, err := parseNotice(line); err == nil {
			t.Errorf("%q is %+v", line, got)
		}
	}
}

func FuzzParseNotice(f *testing.F) {
	f.Add(`INSTANCE "VI_1" MASTER 101`)
	f.Add(`GROUP "G" FAULT 0`)
	f.Fuzz(func(t *testing.T, line string) {
		n, err := parseNotice(line)
		if err == nil && (n.name == "" || strings.ContainsAny(n.name, "\n\"\x00") || n.priority < 0 || n.priority > 255 || n.word == "") {
			t.Errorf("%q is %+v", line, n)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), uint8(2))
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		var l lines
		var got []string
		for b := text; len(b) > 0; {
			n := min(int(step)+1, len(b))
			for line := range l.take(b[:n]) {
				got = append(got, line)
			}
			b = b[n:]
			if len(l.rest) > maxNotice+256 {
				t.Fatalf("%d bytes are kept", len(l.rest))
			}
		}
		whole := map[string]bool{}
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			whole[string(line)] = true
		}
		for _, line := range got {
			if !whole[line] {
				t.Fatalf("%q is no line of %q", line, text)
			}
		}
	})
}

func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vrrp.fifo")
	got := make(chan notice, 16)
	f := newFIFO(path, func(n notice) { got <- n }, zap.NewNop())
	start(t, f.Run)
	<-f.Ready()
	st, err := os.Lstat(path)
	if err != nil || st.Mode().Type() != os.ModeNamedPipe || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", st.Mode(), err)
	}
	write := func(text string) {
		t.Helper()
		w, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("INSTANCE \"VI_1\" MASTER 100\nnoise\nINSTANCE \"VI_1\" BAC")
	write("KUP 90\n")
	if n := <-got; n.word != "MASTER" {
		t.Errorf("%+v", n)
	}
	if n := <-got; n.word != "BACKUP" || n.priority != 90 {
		t.Errorf("%+v", n)
	}
	if f.bad.Load() != 1 {
		t.Errorf("%d bad lines", f.bad.Load())
	}
	// Somebody replaces it, as a keepalived that made it itself does on exit and start.
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	write("INSTANCE \"VI_1\" FAULT 90\n") // held in the pipe only while somebody has it open: hold it
	w, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("INSTANCE \"VI_1\" FAULT 90\n"); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n.word != "FAULT" {
		t.Errorf("%+v", n)
	}
}

func TestFIFOLeavesFilesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vrrp.fifo")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if file, _, err := openFIFO(path); err == nil {
		file.Close()
		t.Error("a file was taken for a FIFO")
	}
}

var vip = netip.MustParsePrefix("10.0.0.100/24")

func TestJudge(t *testing.T) {
	instance := Instance{Name: "VI_1", Interface: "eth0", VRID: 77, VIPs: []netip.Prefix{vip}}
	configured := Configured{Path: "/etc/keepalived/keepalived.conf", Found: true, Instances: []Instance{instance}}
	alive := []Process{{PID: 7, State: 'S'}}
	here := []Address{{Addr: netip.MustParseAddr("10.0.0.1"), Interface: "eth0"}, {Addr: vip.Addr(), Interface: "eth0"}}
	told := func(s State) map[string]Told { return map[string]Told{"VI_1": {State: s, Priority: 100}} }
	for _, tc := range []struct {
		name             string
		s                Seen
		state            State
		keepalived, vrrp string // at once
		later            string // of VRRP, once a contradiction has lasted
	}{
		{"master", Seen{Configured: configured, Processes: alive, Addresses: here, Told: told(StateMaster)}, StateMaster, "ok", "ok", "ok"},
		{"backup", Seen{Configured: configured, Processes: alive, Told: told(StateBackup)}, StateBackup, "ok", "ok", "ok"},
		{"fault", Seen{Configured: configured, Processes: alive, Told: told(StateFault)}, StateFault, "ok", "failing/Fault", "failing/Fault"},
		{"master by its address", Seen{Configured: configured, Processes: alive, Addresses: here}, StateMaster, "ok", "ok", "ok"},
		{"no address and no word", Seen{Configured: configured, Processes: alive}, StateUnknown, "ok", "unknown/NotTold", "unknown/NotTold"},
		{"master without its address", Seen{Configured: configured, Processes: alive, Told: told(StateMaster)}, StateMaster, "ok", "ok", "failing/MasterWithoutVIP"},
		{"backup with the address", Seen{Configured: configured, Processes: alive, Addresses: here, Told: told(StateBackup)}, StateBackup, "ok", "ok", "failing/VIPNotReleased"},
		{"fault with the address", Seen{Configured: configured, Processes: alive, Addresses: here, Told: told(StateFault)}, StateFault, "ok", "failing/Fault", "failing/VIPNotReleased"},
		{"dead", Seen{Configured: configured, Told: told(StateMaster)}, StateStopped, "failing/Down", "ok", "ok"},
		{"dead with the address", Seen{Configured: configured, Addresses: here, Told: told(StateStopped)}, StateUnknown, "failing/Down", "unknown/NotTold", "failing/VIPWithoutKeepalived"},
		{"stopped", Seen{Configured: configured, Processes: []Process{{PID: 7, State: 'T'}}, Addresses: here, Told: told(StateMaster)}, StateMaster, "failing/Stopped", "ok", "ok"},
		{"processes not to be read", Seen{Configured: configured, ProcessErr: errUnread, Addresses: here}, StateMaster, "unknown/Unreadable", "unknown/Unreadable", "unknown/Unreadable"},
		{"addresses not to be read", Seen{Configured: configured, Processes: alive, AddressErr: errUnread, Told: told(StateMaster)}, StateMaster, "ok", "unknown/Unreadable", "unknown/Unreadable"},
		{"no keepalived at all", Seen{Configured: Configured{Path: "x"}}, "", "absent", "absent", "absent"},
		{"a configuration not to be read", Seen{Configured: Configured{Err: errUnread}}, "", "unknown/Unreadable", "unknown/Unreadable", "unknown/Unreadable"},
		{"an instance that only the FIFO knows", Seen{Processes: alive, Told: told(StateBackup)}, StateBackup, "ok", "ok", "ok"},
		{"one that ended and is configured no more", Seen{Configured: Configured{Path: "x"}, Told: told(StateStopped)}, "", "absent", "absent", "absent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Now()
			say := func(l health.Look) string {
				f := l.Findings[0]
				if f.Reason == nil {
					return f.Status.String()
				}
				return f.Status.String() + "/" + f.Reason.Name
			}
			j := judge(tc.s, nil, time.Minute, now)
			if got := say(j.looks[0]); got != tc.keepalived {
				t.Errorf("Keepalived %s, want %s", got, tc.keepalived)
			}
			if got := say(j.looks[1]); got != tc.vrrp {
				t.Errorf("VRRP %s, want %s", got, tc.vrrp)
			}
			if tc.state == "" != (len(j.instances) == 0) || tc.state != "" && j.instances[0].State != tc.state {
				t.Errorf("instances %+v, want %s", j.instances, tc.state)
			}
			if waits := tc.vrrp != tc.later; waits != j.next.Equal(now.Add(heldWrong)) {
				t.Errorf("it looks again at %v", j.next)
			}
			j = judge(tc.s, j.memory, time.Minute, now.Add(heldWrong-1))
			if got := say(j.looks[1]); got != tc.vrrp {
				t.Errorf("VRRP shortly before: %s, want %s", got, tc.vrrp)
			}
			j = judge(tc.s, j.memory, time.Minute, now.Add(heldWrong))
			if got := say(j.looks[1]); got != tc.later {
				t.Errorf("VRRP later: %s, want %s", got, tc.later)
			}
			b := health.NewBoard(nil, Conditions()...)
			b.Publish(j.looks...)
			for _, st := range b.Snapshot().States() {
				if st.Worst().Reason == health.ReasonUndeclared {
					t.Errorf("%s carries a reason outside of its set", st.Condition.Name)
				}
			}
		})
	}
}

func TestTransitionsAreCounted(t *testing.T) {
	s := Seen{Configured: Configured{Found: true, Instances: []Instance{{Name: "VI_1"}}}, Processes: []Process{{PID: 1}}}
	var memory map[string]instanceMemory
	now := time.Now()
	var moved []string
	for i, st := range []State{StateBackup, StateBackup, StateMaster, StateFault, StateFault, StateMaster} {
		s.Told = map[string]Told{"VI_1": {State: st}}
		j := judge(s, memory, time.Minute, now.Add(time.Duration(i)*time.Second))
		memory = j.memory
		for _, m := range j.moved {
			moved = append(moved, string(m.From)+">"+string(m.To))
		}
		if i == 5 && (j.instances[0].Transitions != 3 || !j.instances[0].Since.Equal(now.Add(5*time.Second))) {
			t.Errorf("%+v", j.instances[0])
		}
	}
	if got := strings.Join(moved, " "); got != "BACKUP>MASTER MASTER>FAULT FAULT>MASTER" {
		t.Error(got)
	}
}

var errUnread = errors.New("not to be read")

// proc is a proc file system with processes.
func proc(t *testing.T, processes map[string][2]string) string {
	t.Helper()
	dir := t.TempDir()
	for pid, p := range processes {
		d := filepath.Join(dir, pid)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"comm": p[0] + "\n", "stat": p[1], "cgroup": "1:name=systemd:/system.slice/keepalived.service\n0::/\n"} {
			if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func stat(pid, comm, state, parent, start string) string {
	return pid + " (" + comm + ") " + state + " " + parent + strings.Repeat(" 0", 17) + " " + start + " 0 0"
}

func TestFindKeepalived(t *testing.T) {
	dir := proc(t, map[string][2]string{
		"1":   {"systemd", stat("1", "systemd", "S", "0", "1")},
		"10":  {"keepalived", stat("10", "keepalived", "S", "1", "500")},
		"11":  {"keepalived_vrrp", stat("11", "keepalived_vrrp", "S", "10", "501")},
		"20":  {"keepalived", stat("20", "keepalived", "S", "1", "900")},
		"21":  {"keepalived", stat("21", "keepalived", "T", "20", "901")},
		"30":  {"keepalived", stat("30", "keepalived", "Z", "1", "1")},
		"40":  {"keepalived-exp", stat("40", "keepalived-exp", "S", "1", "1")},
		"abc": {"keepalived", "x"},
	})
	got, err := findKeepalived(procs.New(dir))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got[0].PID != 10 || got[0].State != 'S' || got[0].Start != 500 || got[0].Unit != "keepalived.service" {
		t.Errorf("%+v", got[0])
	}
	if got[1].PID != 20 || got[1].State != 'T' {
		t.Errorf("a stopped child does not show: %+v", got[1])
	}
	if _, err := findKeepalived(procs.New(filepath.Join(dir, "none"))); err == nil {
		t.Error("no proc is no error")
	}
}

func TestUnitOf(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/keepalived.service\n":                        "keepalived.service false",
		"3:cpu:/x.service\n1:name=systemd:/system.slice/k.service/a\n": "k.service false",
		"0::/kubepods.slice/kubepods-burstable.slice/cri-abc.scope\n":  " true",
		"1:name=systemd:/kubepods/besteffort/pod12/34\n0::/\n":         " true",
		"":      " false",
		"x\n::": " false",
	} {
		unit, pod := unitOf([]byte(text))
		if got := unit + map[bool]string{true: " true", false: " false"}[pod]; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzUnitOf(f *testing.F) {
	f.Add([]byte("1:name=systemd:/system.slice/keepalived.service\n0::/\n"))
	f.Add([]byte("1 (x"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = unitOf(b) })
}

func TestOnExit(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := readProcess("/proc", cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ended, again := make(chan struct{}), make(chan struct{})
	stop := onExit(p, "/proc", func() { close(ended) })
	defer stop()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	_ = cmd.Wait()
	onExit(p, "/proc", func() { close(again) })
	<-again
}

func TestToldOutlivesTheAgentAndNotTheProcess(t *testing.T) {
	store := memStore{map[string]any{}}
	cfg := Config{Dir: t.TempDir(), CheckFrequency: time.Second, Proc: proc(t, map[string][2]string{"10": {"keepalived", stat("10", "keepalived", "S", "1", "500")}})}
	deps := Deps{Store: store, Configured: func() Configured { return Configured{Found: true, Instances: []Instance{{Name: "VI_1"}}} }}
	look := func(tell ...string) State {
		t.Helper()
		w := newVRRP(func() Config { return cfg }, deps, health.NewBoard(nil, Conditions()...), zap.NewNop())
		for _, line := range tell {
			n, err := parseNotice(line)
			if err != nil {
				t.Fatal(err)
			}
			w.notice(n)
		}
		if _, err := w.pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, _ := w.shown.Get()
		return v[0].State
	}
	if got := look(); got != StateUnknown {
		t.Errorf("nobody told, and it is %s", got)
	}
	if got := look(`INSTANCE "VI_1" BACKUP 90`, `GROUP "VI_1" MASTER 0`); got != StateBackup {
		t.Errorf("told BACKUP, and it is %s", got)
	}
	if got := look(); got != StateBackup {
		t.Errorf("the next agent says %s", got)
	}
	// Another keepalived, started after that: what the first said is void.
	later := sinceBoot()/tick + 100
	cfg.Proc = proc(t, map[string][2]string{"11": {"keepalived", stat("11", "keepalived", "S", "1", strconv.Itoa(int(later)))}})
	if got := look(); got != StateUnknown {
		t.Errorf("with another keepalived it is %s", got)
	}
}

func TestTooManyInstances(t *testing.T) {
	w := newVRRP(func() Config { return Config{CheckFrequency: time.Second} }, Deps{Store: memStore{map[string]any{}}}, health.NewBoard(nil, Conditions()...), zap.NewNop())
	for i := range 10 * maxTold {
		w.notice(notice{name: strconv.Itoa(i), word: "MASTER"})
	}
	if len(w.told) > maxTold {
		t.Errorf("%d instances are remembered", len(w.told))
	}
}

func TestAddressWatchEnds(t *testing.T) {
	var woken sync.Once
	first := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	w := newAddressWatch(func() { woken.Do(func() { close(first) }) })
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	<-w.Ready()
	<-first
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	local, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.77")
	if list, err := readAddresses(map[netip.Addr]bool{local: true, other: true}); err != nil || len(list) != 1 || list[0] != (Address{Addr: local, Interface: "lo"}) {
		t.Errorf("%v, %v", list, err)
	}
}
