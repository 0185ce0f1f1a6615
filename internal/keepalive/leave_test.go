package keepalive

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// The node goes down: its verdict is lowered at once, and the way is free when the VIP is gone, or after 5 s.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Dir: t.TempDir(), Policies: []Policy{undamped()}, CheckFrequency: time.Second}
		k := New(func() Config { return cfg }, Deps{Store: memStore{map[string]any{}}}, health.NewBoard(nil, Conditions()...), zap.NewNop())
		has := func(tracked, present bool) {
			k.vrrp.shown.Set([]InstanceView{{Name: "VI_1", Tracked: tracked, VIPs: []VIP{{Address: "10.0.0.100/24", Present: present}}}})
		}
		has(false, true)
		if d := k.LeaveTime(); d != 0 {
			t.Errorf("a VIP that is not ours to give is waited for, %v", d)
		}
		has(true, true)
		if d := k.LeaveTime(); d != 5*time.Second {
			t.Errorf("it may take %v", d)
		}
		begin := time.Now()
		if err := k.Leave(t.Context()); !errors.Is(err, errStillHere) || time.Since(begin) != 5*time.Second {
			t.Errorf("a VIP that stays: %v after %v", err, time.Since(begin))
		}
		if !k.inForce().In(time.Now()) {
			t.Error("its verdict is not lowered")
		}
		go func() {
			time.Sleep(time.Second)
			has(true, false)
		}()
		begin = time.Now()
		if err := k.Leave(t.Context()); err != nil || time.Since(begin) < time.Second || time.Since(begin) > time.Second+leaveLook {
			t.Errorf("a VIP that leaves: %v after %v", err, time.Since(begin))
		}
		k.Stay()
		if k.inForce().In(time.Now()) {
			t.Error("it stays lowered though the node does not go down")
		}
		if k.LeaveTime() != 5*time.Second {
			t.Error("an instance that lost its VIP may get it back")
		}
	})
}
