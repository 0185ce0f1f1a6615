//go:build integration

package component

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// slowDisk holds back each sync of the member's process for so long, until stop is called: strace stops the call on its way into the kernel.
func (m *member) slowDisk(each time.Duration) (stop func()) {
	m.t.Helper()
	cmd := exec.Command("strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", fmt.Sprintf("inject=fsync,fdatasync:delay_enter=%d", each.Microseconds()), "-p", fmt.Sprint(m.cmd.Process.Pid))
	said, err := cmd.StderrPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatalf("sudo scripts/install-deps.sh test (%v)", err)
	}
	attached, ended := make(chan struct{}), make(chan struct{})
	var text strings.Builder
	go func() {
		defer close(ended)
		var once sync.Once
		for s := bufio.NewScanner(said); s.Scan(); {
			if text.WriteString(s.Text() + "\n"); strings.Contains(s.Text(), "attached") {
				once.Do(func() { close(attached) })
			}
		}
	}()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it lets go of the process and ends
		<-ended
		_ = cmd.Wait()
	}
	select {
	case <-attached:
	case <-ended:
		m.t.Fatalf("strace ended: %s", &text)
	case <-time.After(30 * time.Second):
		stop()
		m.t.Fatalf("strace attaches to nothing: %s", &text)
	}
	return stop
}

// TestEtcdRealSlowDisk: the same etcd on a disk that is quick, becomes slow, and is quick again.
func TestEtcdRealSlowDisk(t *testing.T) {
	memory, err := os.MkdirTemp("/dev/shm", "nodeagent-etcd-*") // quick, whatever the disk of this machine is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(memory) })
	m := newCluster(t, 1, func(m *member) { m.extra = []string{"--data-dir=" + memory, "--backend-batch-limit=1"} })[0]
	m.until("well", m.is(health.OK, nil))
	post := m.gateway()
	key := base64.StdEncoding.EncodeToString([]byte("x"))
	now := time.Now()
	// becomes writes and looks, each time at what was written since, until both subjects are as wanted.
	becomes := func(what string, ok func(fsync, commit health.Finding) bool) {
		t.Helper()
		for late := time.Now().Add(time.Minute); ; {
			for range latencySamples + 10 {
				if status, text := post("/v3/kv/put", fmt.Sprintf(`{"key":%q,"value":%q}`, key, key)); status != http.StatusOK {
					t.Fatalf("put: %d %s", status, text)
				}
			}
			now = now.Add(latencyWindow)
			looks := judgeEtcd(m.l.look(t.Context(), &m.f, m.cfg, now))
			m.l.was = wasOf(looks[2].Findings)
			disk := bySubject(looks[2])
			if looks[0].Findings[0].Status == health.OK && ok(disk["fsync"], disk["commit"]) {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("%s: %v, %+v", what, disk, looks[0].Findings[0])
			}
		}
	}
	quick := func(fsync, commit health.Finding) bool {
		return fsync.Status == health.OK && commit.Status == health.OK && strings.Contains(fsync.Message, "99 %") && strings.Contains(commit.Message, "99 %")
	}
	becomes("quick", quick)
	stop := m.slowDisk(40 * time.Millisecond)
	becomes("slow", func(fsync, commit health.Finding) bool {
		return fsync.Status == health.Failing && fsync.Reason == slowFsync && commit.Status == health.Failing && commit.Reason == slowCommit
	})
	stop()
	becomes("quick again", quick)
}

// TestEtcdRealLeaderChanges: the leader is moved from member to member, which a follower and whoever leads tell alike.
func TestEtcdRealLeaderChanges(t *testing.T) {
	all := newCluster(t, 3, nil)
	post := make([]func(path, body string) (int, string), len(all))
	for i, m := range all {
		m.until("well", func(_ health.Finding, cluster map[string]health.Finding) bool {
			return cluster["leader"].Status == health.OK && len(cluster) == len(all)+1
		})
		post[i] = m.gateway()
	}
	leader := func() int {
		for i, m := range all {
			if m.see(); m.l.told.status.Member == m.l.told.status.Leader {
				return i
			}
		}
		return -1
	}
	for range manyChanges {
		was := leader()
		if was < 0 {
			t.Fatal("nobody leads")
		}
		next := (was + 1) % len(all)
		if status, text := post[was]("/v3/maintenance/transfer-leadership", fmt.Sprintf(`{"targetID":"%d"}`, all[next].l.told.status.Member)); status != http.StatusOK {
			t.Fatalf("move the leader: %d %s", status, text)
		}
		all[next].until("leads", func(f health.Finding, _ map[string]health.Finding) bool {
			return strings.Contains(f.Message, "the leader;")
		})
	}
	for _, m := range all {
		m.until("the leader does not stay", func(f health.Finding, cluster map[string]health.Finding) bool {
			return f.Status == health.OK && cluster["leader"].Reason == leaderFlaps
		})
		looks := judgeEtcd(m.l.look(t.Context(), &m.f, m.cfg, time.Now().Add(changesWindow)))
		want(t, bySubject(looks[1])["leader"], health.OK, nil, "")
	}
}
