package shim

import (
	"os"
	"testing"
	"time"

	"nodeagent/internal/procs"
)

func TestParse(t *testing.T) {
	shim := func(args ...string) Process { return Process{Name: "containerd-shim", Args: args} }
	for _, c := range []struct {
		name string
		p    Process
		ok   bool
	}{
		{"as containerd starts it", shim("/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "abc", "-address", "/run/c.sock"), true},
		{"with =", shim("containerd-shim-kata-v2", "--namespace=k8s.io", "--id=abc", "-address=/run/c.sock"), true},
		{"while it starts", shim("containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "abc", "-address", "/run/c.sock", "start"), false},
		{"no id", shim("containerd-shim-runc-v2", "-namespace", "k8s.io"), false},
		{"another program", shim("vi", "-namespace", "k8s.io", "-id", "abc"), false},
		{"another name", Process{Name: "vi", Args: []string{"containerd-shim", "-namespace", "k8s.io", "-id", "abc"}}, false},
	} {
		s, ok := Parse(c.p)
		if ok != c.ok || ok && (s.Namespace != "k8s.io" || s.ID != "abc" || s.Address != "/run/c.sock") {
			t.Errorf("%s: %+v %v", c.name, s, ok)
		}
	}
}

func TestSuspects(t *testing.T) {
	shim := func(id, namespace, address string, age time.Duration) Shim {
		return Shim{Process: Process{Age: age}, ID: id, Namespace: namespace, Address: address}
	}
	got := Suspects([]Shim{
		shim("left", "k8s.io", "/a", time.Hour), shim("used", "k8s.io", "/a", time.Hour), shim("young", "k8s.io", "/a", time.Second),
		shim("other", "moby", "/a", time.Hour), shim("elsewhere", "k8s.io", "/b", time.Hour),
	}, "/a", "k8s.io", map[string]bool{"used": true}, time.Minute)
	if len(got) != 1 || got[0].ID != "left" {
		t.Errorf("got %+v", got)
	}
}

func TestDead(t *testing.T) {
	task := Task{PID: 5, Start: 100}
	for _, c := range []struct {
		name  string
		now   Process
		there bool
		want  bool
	}{
		{"lives", Process{Start: 100, State: 'S'}, true, false}, {"gone", Process{}, false, true},
		{"another one has its pid", Process{Start: 200, State: 'S'}, true, true}, {"zombie", Process{Start: 100, State: 'Z', Gone: true}, true, true},
		{"its main thread alone has ended", Process{Start: 100, State: 'Z'}, true, false},
	} {
		if got := Dead(task, c.now, c.there); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestReadProcesses(t *testing.T) {
	self, ok := ReadProcess("/proc", os.Getpid())
	if !ok || self.Age > time.Hour || self.Start == 0 {
		t.Fatalf("this process is %+v", self)
	}
	list, err := ReadProcesses(procs.New("/proc"), func(comm string) bool { return comm == self.Name })
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.PID == os.Getpid() && len(p.Args) > 0 && p.Start == self.Start {
			return
		}
	}
	t.Errorf("this process is not in %+v", list)
}
