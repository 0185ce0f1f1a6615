package component

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"nodeagent/internal/component/etcdapi"
)

// How often etcd is asked at least apart. Its page of metrics costs it some milliseconds; who its members are changes rarely.
const (
	etcdEvery = 10 * time.Second
	etcdAPI   = 30 * time.Second
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
	refused error // how this process refused us, though its files say that it would not: it is asked no more
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
		s.place.clientCA = s.place.ca
		if s.place.ca == "" || s.found.trusted() == nil {
			s.place.ca = filepath.Join(cfg.PKI, "etcd/ca.crt")
		}
	}
	if err != nil {
		s.fault = err.Error()
		return s
	}
	if s.found.process != nil && l.told.pid != s.found.process.pid {
		l.told, l.refused = etcdTold{pid: s.found.process.pid}, nil // it may have another certificate now
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

// ask asks for the page of metrics, and now and then the API.
//
// A handshake is finished and a question asked whatever the member's certificate is: to break off is a line in its log. Nothing secret is in them
// (a client's certificate is shown, its key signs this handshake alone), and what a member of another CA answers is not believed.
func (l *etcdLooker) ask(ctx context.Context, s *etcdSeen, cfg Config, now time.Time) {
	c := etcdClientOf(cfg, s.found, s.place, now)
	if c.err == nil && l.refused != nil {
		c.err = l.refused
	}
	at := s.place.page()
	if away, is := elsewhere(at.Host); is {
		s.page = away
		return
	}
	switch {
	case at.Scheme == "http":
		s.page = pageOf(ctx, newPlainSession(at.Host, cfg.Timeout))
	case c.err != nil:
		s.fault = c.err.Error()
		return
	default:
		p := newTLSSession(place{address: at.Host, names: etcdNames(at.Hostname())}, c.ca, cfg.Timeout, c.who)
		s.page = pageOf(ctx, p)
		if s.page.alert {
			l.refused = errors.New(s.page.detail)
		}
		if t := p.seen(); t.fault != "" {
			l.told = etcdTold{at: now, pid: l.told.pid, foreign: true, fault: t.fault}
			s.page.body = ""
			return
		}
	}
	l.askAPI(ctx, s, cfg, c, now)
}

func pageOf(ctx context.Context, s *session) answer {
	defer s.close()
	s.limit = maxPage
	return s.get(ctx, "/metrics")
}

// etcdNames are what a member's certificate may be for.
func etcdNames(host string) []string { return []string{host, "localhost", "127.0.0.1"} }

// askAPI asks for the member's status and the cluster's members.
func (l *etcdLooker) askAPI(ctx context.Context, s *etcdSeen, cfg Config, by etcdClient, now time.Time) {
	if s.page.outcome != answered || !l.told.at.IsZero() && now.Sub(l.told.at) < etcdAPI {
		return
	}
	l.told = etcdTold{at: now, pid: l.told.pid}
	if away, is := elsewhere(s.place.client.Host); is {
		l.told.fault = s.place.client.Host + ": " + away.detail
		return
	}
	var c *tls.Config
	var seen atomic.Pointer[trust]
	if s.place.client.Scheme == "https" {
		if by.err != nil {
			l.told.fault = by.err.Error()
			return
		}
		c = watchedTLS(etcdNames(s.place.client.Hostname()), by, &seen)
	}
	status, members, err := askMember(ctx, s.place.client.Host, c, cfg.Timeout)
	switch t := seen.Load(); {
	case t != nil && t.fault != "":
		l.told.foreign, l.told.fault = true, t.fault
	case err != nil:
		l.told.fault = short(err.Error())
		if alert := new(tls.AlertError); errors.As(err, alert) || strings.Contains(err.Error(), "remote error: tls: ") { // gRPC keeps the words alone
			l.refused = errors.New("it ends the TLS handshake: " + l.told.fault)
		}
	default:
		l.told.status, l.told.members = status, members
	}
}

func askMember(ctx context.Context, address string, c *tls.Config, timeout time.Duration) (etcdapi.Status, []etcdapi.Member, error) {
	client, err := etcdapi.Dial(address, c)
	if err != nil {
		return etcdapi.Status{}, nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status, err := client.Status(ctx)
	if err != nil {
		return etcdapi.Status{}, nil, err
	}
	members, err := client.Members(ctx)
	return status, members, err
}

// watchedTLS finishes every handshake, and keeps what came out of looking at the certificate.
func watchedTLS(names []string, by etcdClient, seen *atomic.Pointer[trust]) *tls.Config {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection verifies, with more than one name
		VerifyConnection: func(state tls.ConnectionState) error {
			t := by.ca.verify(state, names, time.Now())
			seen.Store(&t)
			return nil
		},
	}
	if by.who.certificate != nil {
		c.Certificates = []tls.Certificate{*by.who.certificate}
	}
	return c
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
