package certs

import (
	"context"
	"errors"
	"time"
)

// patience reads the files in a goroutine that may be left behind, at most one at a time: on a disk that hangs a read never comes back.
type patience struct {
	read    func(Config) ([]file, map[string]error) // nil: readAll
	running chan readResult
}

type readResult struct {
	files  []file
	faults map[string]error
}

var errHung = errors.New("the files were not read in time: their disk or mount does not answer")

// get waits for the files. Where they do not come in time, that is the fault of every folder.
func (p *patience) get(ctx context.Context, cfg Config) ([]file, map[string]error) {
	if p.running == nil {
		read := p.read
		if read == nil {
			read = readAll
		}
		answer := make(chan readResult, 1)
		p.running = answer
		go func() {
			files, faults := read(cfg)
			answer <- readResult{files, faults}
		}()
	}
	late := time.NewTimer(2 * cfg.Timeout)
	defer late.Stop()
	select {
	case r := <-p.running:
		p.running = nil
		return r.files, r.faults
	case <-late.C:
	case <-ctx.Done():
	}
	faults := map[string]error{}
	for _, folder := range append(append([]string{}, cfg.Folders...), cfg.Kubeconfigs...) {
		faults[folder] = errHung
	}
	return nil, faults
}
