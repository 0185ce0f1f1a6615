package cgroup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// fakeUnits is a systemd that knows of slices.
type fakeUnits struct {
	calls  []string
	there  bool
	result string // of jobs; empty: they never end
	err    error
	open   int
}

func (f *fakeUnits) job(call, name string, ch chan<- string) (int, error) {
	f.calls = append(f.calls, call+" "+name)
	if f.err != nil {
		return 0, f.err
	}
	if f.result != "" {
		ch <- f.result
	}
	return 1, nil
}

func (f *fakeUnits) StartTransientUnitContext(_ context.Context, name, mode string, p []systemd.Property, ch chan<- string) (int, error) {
	if f.there {
		return 0, dbus.Error{Name: "org.freedesktop.systemd1.UnitExists"}
	}
	f.there = f.err == nil
	return f.job("start "+mode+" "+text(p), name, ch)
}

func (f *fakeUnits) SetUnitPropertiesContext(_ context.Context, name string, runtime bool, p ...systemd.Property) error {
	f.calls = append(f.calls, fmt.Sprintf("set %v %s %s", runtime, text(p), name))
	return f.err
}

func (f *fakeUnits) StopUnitContext(_ context.Context, name, mode string, ch chan<- string) (int, error) {
	if !f.there {
		return 0, dbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"}
	}
	return f.job("stop "+mode, name, ch)
}

func (f *fakeUnits) Close() { f.open-- }

func (f *fakeUnits) connector() connector {
	return func(ctx context.Context) (units, error) {
		if _, ok := ctx.Deadline(); !ok {
			return nil, errors.New("no deadline")
		}
		f.open++
		return f, nil
	}
}

func text(p []systemd.Property) string {
	var out []string
	for _, x := range p {
		out = append(out, x.Name+"="+x.Value.String())
	}
	return strings.Join(out, " ")
}

const slice = "kubepods-burstable-podx.slice"

func TestSlices(t *testing.T) {
	tree := fakeV2(t, "cpu memory pids")
	bus := &fakeUnits{result: "done"}
	tree.connect = bus.connector()
	for range 2 {
		if err := tree.Ensure(t.Context(), slice, true, Limits{CPUShares: 1024, CPUQuota: 50500, Memory: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	limits := "CPUQuotaPerSecUSec=@t 510000 CPUWeight=@t 39 MemoryMax=@t 1048576"
	want := []string{
		`start replace Description="static pod ` + slice + `" Wants=["kubepods-burstable.slice"] DefaultDependencies=false CPUAccounting=true MemoryAccounting=true ` +
			`TasksAccounting=true ` + limits + " " + slice,
		"set true " + limits + " " + slice,
	}
	if !slices.Equal(bus.calls, want) {
		t.Errorf("%q", bus.calls)
	}
	if exists(filepath.Join(tree.root, "kubepods.slice")) {
		t.Error("a folder was made beside systemd")
	}

	dir := tree.Dirs(slice, true)[0]
	if err := os.MkdirAll(filepath.Join(dir, "cri-containerd-y.scope"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tree.Remove(t.Context(), slice, true); err != nil || exists(dir) || !exists(filepath.Dir(dir)) {
		t.Error(err, exists(dir))
	}
	if got := bus.calls[len(bus.calls)-1]; got != "stop replace "+slice {
		t.Error(got)
	}
	calls := len(bus.calls)
	if err := tree.Remove(t.Context(), slice, true); err != nil || len(bus.calls) != calls {
		t.Error("what is gone was asked for", err)
	}
	bus.there = false // forgotten by systemd, its folder is left
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tree.Remove(t.Context(), slice, true); err != nil || exists(dir) {
		t.Error(err)
	}
	if bus.open != 0 {
		t.Errorf("%d connections are left", bus.open)
	}
}

func TestSliceWithProcessesIsNotStopped(t *testing.T) {
	tree := fakeV2(t, "cpu memory pids")
	bus := &fakeUnits{result: "done", there: true}
	tree.connect = bus.connector()
	scope := filepath.Join(tree.Dirs(slice, true)[0], "crio-y.scope")
	if err := os.MkdirAll(scope, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(scope, "cgroup.procs"), "4000001\n4000000\n4000001\n")
	err := tree.Remove(t.Context(), slice, true)
	var busy *BusyError
	if !errors.As(err, &busy) || !slices.Equal(busy.PIDs, []int{4000000, 4000001}) || !strings.Contains(err.Error(), "4000000, 4000001") || len(bus.calls) > 0 {
		t.Error(err, bus.calls)
	}
}

func TestSystemdFails(t *testing.T) {
	for _, test := range []struct {
		bus  fakeUnits
		want string
	}{
		{fakeUnits{result: "failed"}, `ended as "failed"`},
		{fakeUnits{err: errors.New("no such property")}, "no such property"},
		{fakeUnits{err: errors.New("no such property"), there: true}, "set the slice's limits: no such property"},
		{fakeUnits{}, "does not answer"},
	} {
		tree := fakeV2(t, "cpu memory pids")
		tree.connect = test.bus.connector()
		synctest.Test(t, func(t *testing.T) {
			if err := tree.Ensure(t.Context(), slice, true, Limits{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
		if test.bus.open != 0 {
			t.Errorf("%s: %d connections are left", test.want, test.bus.open)
		}
	}
}

func TestNoSystemd(t *testing.T) {
	tree := fakeV2(t, "cpu memory pids")
	tree.connect = dialSystemd(filepath.Join(t.TempDir(), "system"))
	if err := tree.Ensure(t.Context(), slice, true, Limits{}); err == nil || !strings.Contains(err.Error(), "SystemdCgroup = false") {
		t.Error(err)
	}
}

func TestProperties(t *testing.T) {
	none := fmt.Sprint(uint64(math.MaxUint64))
	for _, test := range []struct {
		v    Version
		l    Limits
		want string
	}{
		{V2, Limits{CPUShares: 2}, "CPUQuotaPerSecUSec=@t " + none + " CPUWeight=@t 1 MemoryMax=@t " + none},
		{V1, Limits{CPUShares: 2, CPUQuota: 1000, Memory: 5}, "CPUQuotaPerSecUSec=@t 10000 CPUShares=@t 2 MemoryLimit=@t 5"},
		{Hybrid, Limits{CPUShares: 512, CPUQuota: 200000}, "CPUQuotaPerSecUSec=@t 2000000 CPUShares=@t 512 MemoryLimit=@t " + none},
	} {
		if got := text(properties(test.v, test.l)); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}
