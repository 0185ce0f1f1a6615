package component

import (
	"strconv"
	"strings"
)

// etcdPage is what is read of an etcd's /metrics.
type etcdPage struct {
	valid     bool // it is a page of an etcd
	version   string
	id        string // of this member, hexadecimal
	hasLeader bool
	isLeader  bool
	changes   float64 // of the leader, since the start
	dbSize    float64
	dbInUse   float64
	quota     float64
	pending   float64
	committed float64
	fsync     buckets
	commit    buckets
	peers     map[string]bool // by ID: whether streams to it are up
}

// buckets of a histogram: cumulative counts by upper bound in seconds, in order.
type buckets struct {
	bounds []float64
	counts []float64
}

func (b buckets) total() float64 {
	if len(b.counts) == 0 {
		return 0
	}
	return b.counts[len(b.counts)-1]
}

// parseEtcdPage reads the text format of Prometheus as etcd writes it.
func parseEtcdPage(text string) etcdPage {
	p := etcdPage{peers: map[string]bool{}}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "etcd_") {
			continue
		}
		name, labels, value, ok := sample(line)
		if !ok {
			continue
		}
		switch name {
		case "etcd_server_has_leader":
			p.valid, p.hasLeader = true, value == 1
		case "etcd_server_is_leader":
			p.isLeader = value == 1
		case "etcd_server_leader_changes_seen_total":
			p.changes = value
		case "etcd_server_version":
			p.version = label(labels, "server_version")
		case "etcd_server_id":
			p.id = label(labels, "server_id")
		case "etcd_mvcc_db_total_size_in_bytes":
			p.dbSize = value
		case "etcd_mvcc_db_total_size_in_use_in_bytes":
			p.dbInUse = value
		case "etcd_server_quota_backend_bytes":
			p.quota = value
		case "etcd_server_proposals_pending":
			p.pending = value
		case "etcd_server_proposals_committed_total":
			p.committed = value
		case "etcd_disk_wal_fsync_duration_seconds_bucket":
			p.fsync.add(labels, value)
		case "etcd_disk_backend_commit_duration_seconds_bucket":
			p.commit.add(labels, value)
		case "etcd_network_active_peers":
			if id := label(labels, "Remote"); id != "" {
				p.peers[id] = value > 0
			}
		}
	}
	return p
}

func (b *buckets) add(labels string, count float64) {
	if le, err := strconv.ParseFloat(label(labels, "le"), 64); err == nil {
		b.bounds, b.counts = append(b.bounds, le), append(b.counts, count)
	}
}

// sample takes a line apart: name{labels} value.
func sample(line string) (name, labels string, value float64, ok bool) {
	space := strings.LastIndexByte(strings.TrimRight(line, "\n"), ' ')
	if space < 0 {
		return "", "", 0, false
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(line[space:]), 64)
	if err != nil {
		return "", "", 0, false
	}
	name, labels, _ = strings.Cut(line[:space], "{")
	return name, strings.TrimSuffix(labels, "}"), value, true
}

// label's value; those that are read hold no quotes and no commas.
func label(labels, name string) string {
	for _, l := range strings.Split(labels, ",") {
		if v, ok := strings.CutPrefix(l, name+"=\""); ok {
			return strings.TrimSuffix(v, "\"")
		}
	}
	return ""
}
