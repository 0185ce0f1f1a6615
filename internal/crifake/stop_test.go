package crifake_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

func TestStop(t *testing.T) {
	tests := []struct {
		name    string
		stop    crifake.StopBehaviour
		timeout int64
		took    time.Duration
		code    int32
		reason  string
	}{
		{"at once", crifake.StopBehaviour{}, 30, 0, 0, "Completed"},
		{"later", crifake.StopBehaviour{After: 5 * time.Second, Code: 143}, 30, 5 * time.Second, 143, "Error"},
		{"too late", crifake.StopBehaviour{After: time.Minute}, 30, 30 * time.Second, 137, "Error"},
		{"ignores TERM", crifake.StopBehaviour{IgnoresTerm: true}, 10, 10 * time.Second, 137, "Error"},
		{"no grace", crifake.StopBehaviour{}, 0, 0, 137, "Error"},
	}
	each(t, func(t *testing.T, p crifake.Personality) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer(p)
					rt := s.Client()
					s.Behave("default/web/main", crifake.Behaviour{Stop: tt.stop})
					_, id := up(t, rt, "web")
					begin := time.Now()
					for range 2 { // the second finds it stopped
						if err := stop(t.Context(), rt, id, tt.timeout); err != nil {
							t.Fatal(err)
						}
					}
					if took := time.Since(begin); took != tt.took {
						t.Errorf("took %s, want %s", took, tt.took)
					}
					wantExit(t, containerStatus(t, rt, id), tt.code, tt.reason)
				})
			})
		}
	})
}

func TestStopGivenUp(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(p)
			rt := s.Client()
			s.Behave("web/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true}})
			_, id := up(t, rt, "web")
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			wantCode(t, stop(ctx, rt, id, 30), codes.DeadlineExceeded)
			time.Sleep(time.Hour)
			synctest.Wait()
			if p.Name == "cri-o" { // goes on by itself
				wantExit(t, containerStatus(t, rt, id), 137, "Error")
				return
			}
			if st := containerStatus(t, rt, id); st.State != cri.ContainerState_CONTAINER_RUNNING {
				t.Errorf("killed with nobody waiting: %s", st.State)
			}
			begin := time.Now()
			if err := stop(t.Context(), rt, id, 7); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != 7*time.Second {
				t.Errorf("the second stop took %s, want its own 7s", took)
			}
		})
	})
}

func TestStopUnkillable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(crifake.Containerd2())
		rt := s.Client()
		s.Behave("web/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true, IgnoresKill: true}})
		_, id := up(t, rt, "web")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantCode(t, stop(ctx, rt, id, 10), codes.DeadlineExceeded)
		if err := s.Exit("web/main", 137, ""); err != nil {
			t.Fatal(err)
		}
		wantExit(t, containerStatus(t, rt, id), 137, "Error")
	})
}

func TestStopAcrossDown(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(p)
			rt := s.Client()
			s.Behave("web/main", crifake.Behaviour{Stop: crifake.StopBehaviour{After: 20 * time.Second}})
			_, id := up(t, rt, "web")
			var wg sync.WaitGroup
			wg.Go(func() { wantCode(t, stop(t.Context(), rt, id, 10), codes.Unavailable) })
			time.Sleep(time.Second)
			s.Down()
			wg.Wait()
			time.Sleep(15 * time.Second)
			s.Up()
			if st := containerStatus(t, rt, id); st.State != cri.ContainerState_CONTAINER_RUNNING {
				t.Errorf("a runtime that was down stopped it: %s", st.State)
			}
			time.Sleep(4 * time.Second) // the TERM's own end, 20 s after it
			synctest.Wait()
			wantExit(t, containerStatus(t, rt, id), 0, "Completed")
		})
	})
}

func TestRemoveRunning(t *testing.T) {
	each(t, func(t *testing.T, p crifake.Personality) {
		s := newServer(p)
		rt := s.Client()
		s.Behave("web/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true}})
		_, id := up(t, rt, "web")
		ended := 0
		s.OnExit(func(string, int) { ended++ })
		if _, err := rt.RemoveContainer(t.Context(), &cri.RemoveContainerRequest{ContainerId: id}); err != nil {
			t.Fatal(err)
		}
		if n := len(s.Containers("web")); n != 0 || ended != 1 {
			t.Errorf("%d containers and %d ends; want it killed and gone", n, ended)
		}
	})
}
