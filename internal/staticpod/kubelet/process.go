package kubelet

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/procs"
)

// kubelets are the programs that are a kubelet or hold one.
var kubelets = []string{"kubelet", "kubelite", "k3s", "rke2", "k0s", "hyperkube"}

// process finds a running kubelet; false when /proc could not be listed. Of several, kubelet itself comes before a distribution that
// holds one, then the lowest pid.
func (h *host) process(table *procs.Table, boot time.Time) (*Process, bool) {
	comms := map[int]string{}
	if err := table.Each(func(pid int, comm string) { comms[pid] = comm }); err != nil {
		h.problem("/proc: %v: whether a kubelet runs is not known", plain(err))
		return nil, false
	}
	if len(comms) == 0 {
		h.problem("/proc is empty: whether a kubelet runs is not known")
		return nil, false
	}
	var found *Process
	for pid, name := range comms {
		p := h.inspect(table, pid, name, boot)
		if p == nil {
			continue
		}
		if found == nil || rank(p.Name) < rank(found.Name) || rank(p.Name) == rank(found.Name) && p.PID < found.PID {
			found = p
		}
	}
	return found, true
}

func rank(name string) int { return slices.Index(kubelets, name) }

// inspect is the process if it is a kubelet, else nil. A process that ends meanwhile is none.
func (h *host) inspect(table *procs.Table, pid int, name string, boot time.Time) *Process {
	dir := "/proc/" + strconv.Itoa(pid)
	if i := strings.IndexByte(name, '-'); i > 0 {
		name = name[:i] // k3s-server, k3s-agent
	}
	if !slices.Contains(kubelets, name) { // comm follows prctl; the binary's name does not
		if name = table.Program(pid); !slices.Contains(kubelets, name) {
			return nil
		}
	}
	if h.elsewhere(pid) {
		return nil
	}
	cmdline, err := readFile(h.real(dir+"/cmdline", true), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		h.problem("%s/cmdline: %v", dir, plain(err))
	}
	args := arguments(cmdline)
	switch {
	case len(args) == 0 && err == nil:
		return nil // a zombie or a kernel thread
	case name == "hyperkube" && !slices.Contains(args, "kubelet"), rank(name) >= rank("k3s") && name != "hyperkube" && !serves(args):
		return nil // its other programs: k3s kubectl, k0s status ...
	}
	fl := parseFlags(args)
	return &Process{PID: pid, Name: name, Flags: fl.list(), StartedAt: h.started(dir, boot), flags: fl}
}

// elsewhere tells a process of another node that is a container of this one, as kind's are: it shares neither the network nor the processes.
// Where that may not be read it counts as here.
func (h *host) elsewhere(pid int) bool {
	proc := h.real("/proc", true)
	network, err1 := procs.Apart(proc, pid, "net")
	processes, err2 := procs.Apart(proc, pid, "pid")
	return errors.Join(err1, err2) == nil && network && processes
}

// serves tells k3s, rke2 and k0s as a node from the same binaries as a tool. k3s rewrites its title to one word, "k3s server".
func serves(args []string) bool {
	words := strings.Fields(strings.Join(args, " "))
	return slices.ContainsFunc(words, func(w string) bool { return w == "server" || w == "agent" || w == "controller" || w == "worker" })
}

func arguments(cmdline []byte) []string {
	var out []string
	for _, a := range bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0}) {
		out = append(out, string(a))
	}
	if len(out) == 1 && out[0] == "" {
		return nil
	}
	return out
}

// started is a process' start; zero if it can't be told.
func (h *host) started(dir string, boot time.Time) time.Time {
	b, err := readFile(h.real(dir+"/stat", true), 4096)
	if err != nil || boot.IsZero() {
		return time.Time{}
	}
	stat, err := procs.ParseStat(b)
	if err != nil {
		return time.Time{}
	}
	return boot.Add(stat.Started())
}

// bootTime is btime of /proc/stat; zero if it can't be told.
func (h *host) bootTime() time.Time {
	b, err := readFile(h.real("/proc/stat", true), 16<<20) // a line a CPU and one of interrupts
	if err != nil {
		return time.Time{}
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "btime "); ok {
			if s, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil && s > 0 {
				return time.Unix(s, 0)
			}
		}
	}
	return time.Time{}
}
