package crifake_test

import (
	"maps"
	"slices"
	"testing"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

func TestContainerFilters(t *testing.T) {
	s := newServer(crifake.Containerd2())
	rt := s.Client()
	ids := map[string]string{}
	podA, podB := pod("a"), pod("b")
	a, b := run(t, rt, podA), run(t, rt, podB)
	ids["a0"] = create(t, rt, a, podA, "x", 0)
	ids["a1"] = create(t, rt, a, podA, "y", 0)
	ids["b0"] = create(t, rt, b, podB, "x", 0)
	start(t, rt, ids["a0"])
	running := &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}
	created := &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_CREATED} // the enum's zero
	tests := []struct {
		name   string
		filter *cri.ContainerFilter
		want   []string
		key    string
	}{
		{"none", nil, []string{"a0", "a1", "b0"}, ""},
		{"empty", &cri.ContainerFilter{}, []string{"a0", "a1", "b0"}, ""},
		{"id", &cri.ContainerFilter{Id: ids["a1"]}, []string{"a1"}, "default/a/y"},
		{"short id", &cri.ContainerFilter{Id: ids["a1"][:13]}, []string{"a1"}, "default/a/y"},
		{"unknown id", &cri.ContainerFilter{Id: "nope"}, nil, "nope"},
		{"running", &cri.ContainerFilter{State: running}, []string{"a0"}, "CONTAINER_RUNNING"},
		{"created", &cri.ContainerFilter{State: created}, []string{"a1", "b0"}, "CONTAINER_CREATED"},
		{"sandbox", &cri.ContainerFilter{PodSandboxId: a}, []string{"a0", "a1"}, "default/a"},
		{"label", &cri.ContainerFilter{LabelSelector: map[string]string{"container": "x"}}, []string{"a0", "b0"}, "container=x"},
		{"both labels", &cri.ContainerFilter{LabelSelector: map[string]string{"container": "x", "no": ""}}, nil, "container=x,no="},
		{"all", &cri.ContainerFilter{PodSandboxId: a, State: created, LabelSelector: map[string]string{"container": "x"}}, nil,
			"default/a,CONTAINER_CREATED,container=x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.ResetCalls()
			r, err := rt.ListContainers(t.Context(), &cri.ListContainersRequest{Filter: tt.filter})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range r.Containers {
				for name, id := range ids {
					if id == c.Id {
						got = append(got, name)
					}
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if calls := s.Calls(); len(calls) != 1 || calls[0].Method != "ListContainers" || calls[0].Key != tt.key {
				t.Errorf("calls %+v, want one with key %q", calls, tt.key)
			}
		})
	}
}

func TestSandboxFilters(t *testing.T) {
	s := newServer(crifake.Containerd2())
	rt := s.Client()
	ids := map[string]string{"a": run(t, rt, pod("a")), "b": run(t, rt, pod("b"))}
	if err := s.KillSandbox("b"); err != nil {
		t.Fatal(err)
	}
	ready := &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY}
	notReady := &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_NOTREADY}
	tests := []struct {
		name   string
		filter *cri.PodSandboxFilter
		want   []string
	}{
		{"none", nil, []string{"a", "b"}},
		{"id", &cri.PodSandboxFilter{Id: ids["b"]}, []string{"b"}},
		{"ready", &cri.PodSandboxFilter{State: ready}, []string{"a"}},
		{"not ready", &cri.PodSandboxFilter{State: notReady}, []string{"b"}},
		{"label", &cri.PodSandboxFilter{LabelSelector: map[string]string{"pod": "a"}}, []string{"a"}},
		{"label and state", &cri.PodSandboxFilter{LabelSelector: map[string]string{"pod": "a"}, State: notReady}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := rt.ListPodSandbox(t.Context(), &cri.ListPodSandboxRequest{Filter: tt.filter})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, b := range r.Items {
				got[b.Metadata.Name] = true
			}
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, tt.want) {
				t.Errorf("got %v, want %v", names, tt.want)
			}
		})
	}
}

func TestStats(t *testing.T) {
	s := newServer(crifake.Containerd2())
	rt := s.Client()
	sandbox, id := up(t, rt, "web")
	r, err := rt.ListContainerStats(t.Context(), &cri.ListContainerStatsRequest{Filter: &cri.ContainerStatsFilter{PodSandboxId: sandbox}})
	if err != nil || len(r.Stats) != 1 || r.Stats[0].Attributes.Id != id {
		t.Errorf("container stats: %v, %v", r, err)
	}
	ps, err := rt.PodSandboxStats(t.Context(), &cri.PodSandboxStatsRequest{PodSandboxId: sandbox})
	if err != nil || len(ps.Stats.Linux.Containers) != 1 || ps.Stats.Linux.Memory.WorkingSetBytes.Value == 0 {
		t.Errorf("sandbox stats: %v, %v", ps, err)
	}
}
