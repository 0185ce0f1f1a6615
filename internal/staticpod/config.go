package staticpod

import (
	"time"

	"nodeagent/internal/reconcile"
)

// Config of run mode. It is read once a pass; what is marked fixed is read at the start only.
type Config struct {
	Path                  string        // manifest folder or file; a change is followed
	NodeName              string        // fixed
	LogsDir               string        // fixed; kubelet's podLogsDir
	LogLinksDir           string        // fixed; where links to the logs are kept, empty for none
	LogMaxSize            int64         // bytes at which a log is rotated
	LogMaxFiles           int           // kept of one log, the current one too
	RemovedLogsKeep       time.Duration // how long the logs of a removed pod are kept
	RemovedLogsMaxSize    int64         // bytes of them all
	CgroupRoot            string        // fixed; the cgroup below which pods live, empty for the top
	CgroupDriver          string        // cgroupfs, systemd, or empty: asked of the runtime
	SyncFrequency         time.Duration // between full readings of the runtime
	FileCheckFrequency    time.Duration // between readings of the folder without an event
	RuntimeProbeTimeout   time.Duration // deadline of a look
	RuntimeRequestTimeout time.Duration // deadline of a mutation
	Standby               bool          // make the next attempt of a container ahead of its end
	Restart               Restart
	PullBackoff           reconcile.Backoff // between pulls of one image that failed
}

// pullDeadline ends a pull of which nothing was heard any more. CRI tells no progress, so it bounds the whole pull.
const pullDeadline = 30 * time.Minute

// shutdownGrace is what creations in flight get when the agent stops.
const shutdownGrace = 5 * time.Second
