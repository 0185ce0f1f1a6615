package component

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/component/etcdapi"
	"nodeagent/internal/health"
)

// Limits of EtcdDisk. etcd asks for a 99th percentile below 10 ms for fsync and 25 ms for commits; twice that is slow, and slow lasts until it is what etcd
// asks for. The same with the quota, where nothing is lost at 80 % and everything at 100 %.
const (
	fsyncGood, fsyncSlow   = 0.010, 0.020
	commitGood, commitSlow = 0.025, 0.050
	quotaGood, quotaNear   = 0.75, 0.80
)

// Limits of Etcd and EtcdCluster.
const (
	stalledLooks = 2 // in a row
	manyChanges  = 4 // of the leader within changesWindow, as in etcd's own alert
)

// etcdReasons are what Etcd says of an answer that did not come.
var etcdReasons = reachReasons{down: etcdDown, notListening: etcdNotListening, hung: etcdHung, unreachable: etcdUnreachable, odd: etcdOdd}

// judgeEtcd decides what a look means, in the order of the conditions Etcd, EtcdCluster, EtcdDisk.
func judgeEtcd(s etcdSeen) []health.Look {
	if !s.found.there() {
		missing := []health.Finding{s.found.missing()}
		return []health.Look{{Of: Etcd, Findings: missing}, {Of: EtcdCluster, Findings: missing}, {Of: EtcdDisk, Findings: missing}}
	}
	f := judgeMember(s)
	f.Evidence = append(s.found.evidence(), etcdEvidence(s)...)
	cluster, disk := judgeCluster(s), judgeDisk(s)
	if !s.metrics.valid {
		unknown := health.Finding{Status: health.Unknown, Reason: unread, Message: "etcd could not be asked: see condition Etcd"}
		disk = []health.Finding{unknown}
		if len(s.api.members) == 0 {
			cluster = disk
		}
	}
	return []health.Look{{Of: Etcd, Findings: []health.Finding{f}}, {Of: EtcdCluster, Findings: cluster}, {Of: EtcdDisk, Findings: disk}}
}

func judgeMember(s etcdSeen) health.Finding {
	who := s.found.who(nameEtcd)
	if s.fault != "" {
		return health.Finding{Status: health.Unknown, Reason: unread, Message: s.fault}
	}
	at := s.address()
	if s.api.foreign && (s.page.outcome == answered || s.page.outcome == broken) {
		return failing(etcdCertificate, "%s at %s: %s", who, s.place.client.Host, s.api.fault)
	}
	if f, bad := judgeReach(s.found, who, at, etcdReasons, s.page); bad {
		return f
	}
	alarms := strings.Join(s.api.status.Errors, " ")
	switch {
	case s.page.status != http.StatusOK:
		return failing(etcdOdd, "%s answers /metrics with HTTP status %d", at, s.page.status)
	case !s.metrics.valid:
		return failing(etcdOdd, "what %s serves as /metrics is of no etcd", at)
	case !s.metrics.hasLeader:
		return failing(etcdNoLeader, "it has no leader: %s", s.quorum())
	case strings.Contains(alarms, "CORRUPT"):
		return failing(etcdCorrupt, "alarm CORRUPT is on: %s", short(alarms))
	case strings.Contains(alarms, "NOSPACE"):
		return failing(etcdNoSpace, "alarm NOSPACE is on: the database has %s of %s", size(s.metrics.dbSize), size(s.quota()))
	case s.stalled >= stalledLooks:
		return failing(etcdStalled, "%.0f proposals wait, and none was committed since two looks", s.metrics.pending)
	}
	role := "a follower"
	if s.metrics.isLeader {
		role = "the leader"
	}
	if s.api.status.IsLearner {
		role = "a learner, which does not vote"
	}
	return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s; %s", role, s.quorum())}
}

// address is where it was asked.
func (s etcdSeen) address() string {
	return s.place.page().Host
}

// voters, and how many of them this member sees, itself among them.
func (s etcdSeen) voters() (all, seen int) {
	for _, m := range s.api.members {
		if m.IsLearner {
			continue
		}
		all++
		if s.sees(m) {
			seen++
		}
	}
	return all, seen
}

func (s etcdSeen) sees(m etcdapi.Member) bool {
	id := strconv.FormatUint(m.ID, 16)
	return m.ID == s.api.status.Member || s.metrics.peers[id]
}

// quorum says how far the cluster is from losing it.
func (s etcdSeen) quorum() string {
	all, seen := s.voters()
	if all == 0 {
		up := 0
		for _, p := range s.metrics.peers {
			if p {
				up++
			}
		}
		return fmt.Sprintf("it sees %d other members", up)
	}
	need := all/2 + 1
	text := fmt.Sprintf("it sees %d of %d voters, itself among them, and %d make a quorum", seen, all, need)
	if all == 1 {
		text = "the only member"
	} else if seen == need {
		text += ": one less, and nothing can be written"
	}
	return text
}

// judgeCluster is one finding a member, and one for the leader.
func judgeCluster(s etcdSeen) []health.Finding {
	var out []health.Finding
	for _, m := range s.api.members {
		f := health.Finding{Subject: cmp.Or(m.Name, strconv.FormatUint(m.ID, 16)), Status: health.OK}
		urls := strings.Join(m.PeerURLs, ", ")
		switch {
		case m.Name == "":
			f.Status, f.Reason, f.Message = health.Failing, memberNew, "a member was added for "+urls+" and has not started"
		case !s.metrics.valid && m.ID != s.api.status.Member:
			f.Status, f.Reason, f.Message = health.Unknown, unread, "etcd could not be asked: see condition Etcd"
		case !s.sees(m):
			f.Status, f.Reason, f.Message = health.Failing, memberAway, fmt.Sprintf("%s has no connection to it at %s; %s", cmp.Or(s.self(), "this member"), urls, s.quorum())
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		out = append(out, peersOf(s)...)
	}
	leader := health.Finding{Subject: "leader", Status: health.OK}
	if s.changes >= manyChanges {
		leader.Status, leader.Reason, leader.Message = health.Failing, leaderFlaps, fmt.Sprintf("the leader changed %.0f times within %v", s.changes, changesWindow)
	}
	return append(out, leader)
}

// peersOf are the members as far as the metrics know them, where the API did not tell: without names, and none that was never there.
func peersOf(s etcdSeen) []health.Finding {
	if s.api.fault != "" {
		return []health.Finding{{Subject: "members", Status: health.Unknown, Reason: membersUnknown, Message: s.api.fault}}
	}
	return nil
}

// self is this member's name.
func (s etcdSeen) self() string {
	for _, m := range s.api.members {
		if m.ID == s.api.status.Member {
			return m.Name
		}
	}
	return ""
}

// judgeDisk is about what etcd's metrics tell of its disk.
func judgeDisk(s etcdSeen) []health.Finding {
	return []health.Finding{
		judgeLatency("fsync", s.fsync, s.was.slowFsync, fsyncGood, fsyncSlow, slowFsync),
		judgeLatency("commit", s.commit, s.was.slowCommit, commitGood, commitSlow, slowCommit),
		judgeSize(s),
	}
}

func judgeLatency(subject string, q quantile, was bool, good, slow float64, r *health.Reason) health.Finding {
	limit := slow
	if was {
		limit = good
	}
	span := "since its start"
	if q.over > 0 {
		span = "within " + q.over.Round(time.Second).String()
	}
	took := "above 8s"
	if !math.IsInf(q.p99, 1) {
		took = time.Duration(q.p99 * float64(time.Second)).Round(100 * time.Microsecond).String()
	}
	f := health.Finding{Subject: subject, Status: health.OK, Message: fmt.Sprintf("99 %% take up to %s (%.0f %s)", took, q.samples, span)}
	if q.samples < latencySamples {
		f.Message = fmt.Sprintf("%.0f %s, too few for a percentile", q.samples, span)
		return f
	}
	if q.p99 > limit {
		f.Status, f.Reason = health.Failing, r
		f.Message = fmt.Sprintf("1 %% take longer than %s (%.0f %s); etcd asks for %v", took, q.samples, span, time.Duration(good*float64(time.Second)))
	}
	return f
}

func judgeSize(s etcdSeen) health.Finding {
	quota := s.quota()
	f := health.Finding{Subject: "size", Status: health.OK, Message: fmt.Sprintf("%s of %s, %s of it in use", size(s.metrics.dbSize), size(quota), size(s.metrics.dbInUse))}
	limit := quotaNear
	if s.was.full {
		limit = quotaGood
	}
	if s.metrics.dbSize >= limit*quota {
		f.Status, f.Reason = health.Failing, nearQuota
	}
	return f
}

// quota of the database in bytes.
func (s etcdSeen) quota() float64 {
	return cmp.Or(s.metrics.quota, float64(s.api.status.DBQuota), float64(s.place.quota), defaultQuota)
}

func size(bytes float64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", bytes/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.0f MiB", bytes/(1<<20))
	}
	return fmt.Sprintf("%.0f KiB", bytes/(1<<10))
}

func etcdEvidence(s etcdSeen) []health.Pair {
	var e []health.Pair
	add := func(key, value string) {
		if value != "" {
			e = append(e, health.Pair{Key: key, Value: value})
		}
	}
	if s.place.client != nil {
		add("address", s.address())
	}
	add("version", cmp.Or(s.metrics.version, s.api.status.Version))
	add("api", s.api.fault)
	return e
}

// wasOf is what the next look must know of this one's judgement.
func wasOf(disk []health.Finding) etcdWas {
	bad := func(subject string) bool {
		return slices.ContainsFunc(disk, func(f health.Finding) bool { return f.Subject == subject && f.Status == health.Failing })
	}
	return etcdWas{slowFsync: bad("fsync"), slowCommit: bad("commit"), full: bad("size")}
}
