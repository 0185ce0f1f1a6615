package component

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"nodeagent/internal/component/etcdapi"
)

// How often etcd is asked at least apart. Its page of metrics costs it some milliseconds; who its members are changes rarely.
const (
	etcdEvery   = 10 * time.Second
	etcdAPI     = 30 * time.Second
	etcdRefused = 10 * time.Minute // after a certificate that did not verify: each attempt is a line in its log
)

// maxPage bounds etcd's metrics: 150 kB on a cluster of three.
const maxPage = 8 << 20

// etcdSeen is all that one look at the etcd member saw.
type etcdSeen struct {
	found   found
	fault   string // why it is not known where to ask
	place   etcdPlace
	page    answer
	metrics etcdPage
	api     etcdTold
	stalled int // looks in a row in which proposals waited and none was committed
	fsync   quantile
	commit  quantile
	changes float64 // of the leader, within changesWindow
	was     etcdWas
}

// etcdWas is what was judged before, for limits that are left later than they are entered.
type etcdWas struct{ slowFsync, slowCommit, full bool }

// etcdTold is what the member's API told.
type etcdTold struct {
	at      time.Time // zero: not asked
	fault   string    // why not, or how it went wrong
	pid     int       // of the process that was asked; 0: not known
	foreign bool      // the member's certificate did not verify
	status  etcdapi.Status
	members []etcdapi.Member
}

// etcdLooker keeps what must be known from look to look. It is of one loop alone.
type etcdLooker struct {
	told    etcdTold
	fsync   latency
	commit  latency
	last    etcdPage
	stalled int
	changes []change
	was     etcdWas
}

// change is how often the leader had changed at one moment.
type change struct {
	at time.Time
	n  float64
}

// changesWindow is that of etcd's own alert on leader changes (etcdHighNumberOfLeaderChanges).
const changesWindow = 15 * time.Minute

func (l *etcdLooker) look(ctx context.Context, f *finder, cfg Config, now time.Time) etcdSeen {
	s := etcdSeen{found: f.find(cfg, nameEtcd)}
	if !s.found.there() {
		*l = etcdLooker{}
		return s
	}
	set, err := etcdFlags(cfg, s.found)
	if err == nil {
		s.place, err = etcdAt(set)
		if s.place.ca == "" || s.found.trusted() == nil {
			s.place.ca = filepath.Join(cfg.PKI, "etcd/ca.crt")
		}
	}
	if err != nil {
		s.fault = err.Error()
		return s
	}
	if s.found.process != nil && l.told.pid != s.found.process.pid {
		l.told = etcdTold{pid: s.found.process.pid} // it may have another certificate now
	}
	l.ask(ctx, &s, cfg, now)
	s.found.explain(cfg.Proc, s.page)
	if s.page.outcome == answered && s.page.status == http.StatusOK {
		s.metrics = parseEtcdPage(s.page.body)
		s.page.body = ""
	}
	if s.metrics.valid {
		l.remember(&s, now)
	}
	s.api, s.was = l.told, l.was
	return s
}

// ask asks for the page of metrics, and now and then the API. Where there is no listener of metrics, its page is on the port of the clients.
func (l *etcdLooker) ask(ctx context.Context, s *etcdSeen, cfg Config, now time.Time) {
	ca := readAuthority(s.place.ca)
	who, noKey := healthcheckClient(cfg.PKI)
	at := s.place.metrics
	if at == nil {
		at = s.place.client
	}
	switch {
	case at.Scheme == "http":
		s.page = pageOf(ctx, newPlainSession(at.Host, cfg.Timeout))
	case noKey == nil && now.Sub(l.told.at) < etcdRefused && l.told.foreign:
		s.page = answer{outcome: broken, detail: l.told.fault}
	case noKey == nil:
		p := newTLSSession(place{address: at.Host, names: etcdNames(at.Hostname())}, ca, cfg.Timeout, who)
		s.page = pageOf(ctx, p)
		if t := p.seen(); t.fault != "" || t.unknown != "" {
			l.told = etcdTold{at: now, pid: l.told.pid, foreign: true, fault: t.fault + t.unknown}
			s.page.detail = l.told.fault
		}
	default:
		s.fault = noKey.Error()
		return
	}
	l.askAPI(ctx, s, cfg, ca, who, noKey, now)
}

func pageOf(ctx context.Context, s *session) answer {
	defer s.close()
	s.limit = maxPage
	return s.get(ctx, "/metrics")
}

// etcdNames are what a member's certificate may be for.
func etcdNames(host string) []string { return []string{host, "localhost", "127.0.0.1"} }

// healthcheckClient is the identity that kubeadm makes for looking at etcd; its error is that there is none, or that it can't be read.
func healthcheckClient(pki string) (identity, error) {
	file := filepath.Join(pki, "etcd/healthcheck-client.crt")
	if _, err := os.Stat(file); err != nil {
		return identity{}, err
	}
	c, err := keyPair(file, filepath.Join(pki, "etcd/healthcheck-client.key"))
	return identity{certificate: c}, err
}

// askAPI asks for the member's status and the cluster's members.
func (l *etcdLooker) askAPI(ctx context.Context, s *etcdSeen, cfg Config, ca authority, who identity, noKey error, now time.Time) {
	pause := etcdAPI
	if l.told.foreign {
		pause = etcdRefused
	}
	if s.page.outcome != answered || !l.told.at.IsZero() && now.Sub(l.told.at) < pause {
		return
	}
	l.told = etcdTold{at: now, pid: l.told.pid}
	var c *tls.Config
	if s.place.client.Scheme == "https" {
		if noKey != nil {
			l.told.fault = noKey.Error()
			return
		}
		c = strictTLS(place{names: etcdNames(s.place.client.Hostname())}, ca, who, &l.told)
	}
	client, err := etcdapi.Dial(s.place.client.Host, c)
	if err == nil {
		defer client.Close()
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
		if l.told.status, err = client.Status(ctx); err == nil {
			l.told.members, err = client.Members(ctx)
		}
	}
	if err != nil && l.told.fault == "" {
		l.told.fault = short(err.Error())
	}
}

// strictTLS gives up a connection before any credentials are sent where the certificate does not verify, and says so.
func strictTLS(p place, ca authority, who identity, told *etcdTold) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection verifies, with more than one name
		Certificates:       []tls.Certificate{*who.certificate},
		VerifyConnection: func(state tls.ConnectionState) error {
			t := ca.verify(state, p.names, time.Now())
			if t.verified {
				return nil
			}
			told.foreign, told.fault = true, t.fault+t.unknown
			return errUnverified
		},
	}
}

// remember takes what needs more than one look.
func (l *etcdLooker) remember(s *etcdSeen, now time.Time) {
	m := s.metrics
	s.fsync, s.commit = l.fsync.take(m.fsync, now), l.commit.take(m.commit, now)
	if m.pending > 0 && l.last.valid && l.last.pending > 0 && m.committed == l.last.committed {
		l.stalled++
	} else {
		l.stalled = 0
	}
	s.stalled = l.stalled
	if n := len(l.changes); n > 0 && l.changes[n-1].n > m.changes {
		l.changes = nil // it started anew
	}
	l.changes = append(l.changes, change{now, m.changes})
	for len(l.changes) > 1 && now.Sub(l.changes[0].at) > changesWindow {
		l.changes = l.changes[1:]
	}
	s.changes = m.changes - l.changes[0].n
	m.fsync, m.commit = buckets{}, buckets{}
	l.last = m
}
