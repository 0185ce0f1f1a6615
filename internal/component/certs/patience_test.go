package certs

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadDisk: files that can't be read in time are unknown, nothing waits for them, and they are read again when the disk answers.
func TestDeadDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		reads := 0
		p := patience{read: func(Config) ([]file, map[string]error) {
			reads++
			<-release
			return []file{{path: "/x"}}, nil
		}}
		cfg := Config{Folders: []string{"/pki"}}.filled()
		for range 3 {
			began := time.Now()
			files, faults := p.get(t.Context(), cfg)
			state, soon := judge(cfg, files, faults, time.Now())
			if got := bad("/", state) + "; " + bad("/", soon); got != "etc/kubernetes unknown/Unreadable, pki unknown/Unreadable; etc/kubernetes unknown/Unreadable, pki unknown/Unreadable" {
				t.Errorf("%s", got)
			}
			if took := time.Since(began); took != 2*cfg.Timeout {
				t.Errorf("took %v", took)
			}
		}
		close(release)
		synctest.Wait()
		if files, _ := p.get(t.Context(), cfg); len(files) != 1 || reads != 1 {
			t.Errorf("%d files after %d reads", len(files), reads)
		}
	})
}
