package api

import (
	"context"
	"fmt"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

const (
	pollTimeout        = 30 * time.Second
	verbTimeout        = 65 * time.Second
	longestMute        = 31 * 24 * time.Hour
	longestStop        = 31 * 24 * time.Hour
	longestMaintenance = 31 * 24 * time.Hour
)

type route struct {
	method, path, help string
	do                 http.HandlerFunc
}

// routes is the whole API of the socket.
func (b Backend) routes() []route {
	return []route{
		{"GET", "/v1/status", "the whole node", func(w http.ResponseWriter, _ *http.Request) { reply(w, b.Status()) }},
		{"GET", "/v1/watch", "?after=SEQ: waits up to 30 s for a change, then the whole node", b.watch},
		{"GET", "/v1/pods", "static pods", func(w http.ResponseWriter, _ *http.Request) { reply(w, append([]view.Pod{}, b.Pods()...)) }},
		{"GET", "/v1/network", "Flannel and its peers", func(w http.ResponseWriter, _ *http.Request) { reply(w, b.Network()) }},
		{"GET", "/v1/vip", "verdicts, VRRP, the balancer", func(w http.ResponseWriter, _ *http.Request) { reply(w, b.VIP()) }},
		{"GET", "/v1/repairs", "what would be mended now, and why not", func(w http.ResponseWriter, _ *http.Request) { reply(w, b.Repairs()) }},
		{"GET", "/v1/events", "?since=RFC3339: the timeline; ?after=SEQ: waits up to 30 s for more of it", b.events},
		{"GET", "/v1/check/{name}", "?subject=: one condition", b.check},
		{"GET", "/v1/config", "the effective configuration", b.config},
		{"POST", "/v1/reload", "reads the configuration again", b.reload},
		{"POST", "/v1/mute", "{condition, subject, for, reason, by}", b.mute},
		{"POST", "/v1/unmute", "{condition, subject}", b.unmute},
		{"POST", "/v1/maintenance/start", "{for, reason, by, force}: lowers the verdicts of this node for a while", b.maintain},
		{"POST", "/v1/maintenance/stop", "ends it", bare(b.StopMaintenance)},
		{"POST", "/v1/repairs/clear", "{action}: lets repairs that need a person go on", b.clear},
		{"POST", "/v1/pods/restart", "{name}: stops a pod and starts it anew", b.restart},
		{"POST", "/v1/pods/stop", "{name, for}: stops a pod for a while", b.stop},
		{"POST", "/v1/pods/start", "{name}: starts a pod that was stopped", b.start},
		{"POST", "/v1/pods/prune", "stops the pods whose manifests are gone", bare(b.PrunePods)},
		{"POST", "/v1/pods/resume", "runs pods again after stepping back", bare(b.ResumePods)},
	}
}

// handler serves the routes. Verbs, which are all that is not GET, need the peer's uid to be admin.
func (b Backend) handler(admin uint32) http.Handler {
	mux := http.NewServeMux()
	all := b.routes()
	var list []string
	for _, r := range all {
		list = append(list, r.method+" "+r.path+" "+r.help)
		do := r.do
		if r.method != "GET" {
			do = needs(admin, do)
		}
		mux.Handle(r.method+" "+r.path, do)
		mux.HandleFunc(r.path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", r.method)
			fail(w, http.StatusMethodNotAllowed, "wrong method for "+r.path, "use "+r.method)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		write(w, http.StatusNotFound, view.Error{Problem: "no route " + cut(view.OneLine(r.URL.Path), checkLength), Fix: "use one of the routes listed", Routes: slices.Clone(list)})
	})
	return mux
}

func needs(admin uint32, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, ok := peerOf(r.Context())
		switch {
		case !ok:
			fail(w, http.StatusForbidden, "this needs root, and the kernel did not say who asks", "run it on this machine as root, through the unix socket")
		case p.uid != admin:
			fail(w, http.StatusForbidden, fmt.Sprintf("this needs root; you are uid %d", p.uid), "run it with sudo")
		default:
			ctx, cancel := context.WithTimeout(r.Context(), verbTimeout)
			defer cancel()
			next(w, r.WithContext(ctx))
		}
	}
}

// bare is a verb that takes nothing and answers nothing.
func bare(do func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		done(w, do(r.Context()))
	}
}

func (b Backend) watch(w http.ResponseWriter, r *http.Request) {
	var after uint64
	if q := r.URL.Query().Get("after"); q != "" {
		n, err := strconv.ParseUint(q, 10, 64)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Sprintf("after=%s is no sequence number", cut(view.OneLine(q), 32)), "send the seq of the last answer, or nothing")
			return
		}
		after = n
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollTimeout)
	defer cancel()
	seq := b.Changed(ctx, after)
	if r.Context().Err() != nil { // the caller left, or the server stops
		fail(w, http.StatusServiceUnavailable, "the agent is stopping", "ask again")
		return
	}
	reply(w, view.Watch{Seq: seq, Time: time.Now(), Status: b.Status()})
}

func (b Backend) events(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("after") {
		b.eventsAfter(w, r)
		return
	}
	var since time.Time
	if q := r.URL.Query().Get("since"); q != "" {
		t, err := time.Parse(time.RFC3339, q)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Sprintf("since=%s is no time", cut(view.OneLine(q), 40)), "send it as 2026-01-31T23:59:00Z")
			return
		}
		since = t
	}
	events, err := b.Events(since)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, append([]event.Event{}, events...))
}

func (b Backend) eventsAfter(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query().Get("after")
	after, err := strconv.ParseUint(q, 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Sprintf("after=%s is no sequence number", cut(view.OneLine(q), 32)), "send the seq of the last event, or 0")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollTimeout)
	defer cancel()
	events, err := b.EventsAfter(ctx, after)
	if r.Context().Err() != nil { // the caller left, or the server stops
		fail(w, http.StatusServiceUnavailable, "the agent is stopping", "ask again")
		return
	}
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, append([]event.Event{}, events...))
}

func (b Backend) check(w http.ResponseWriter, r *http.Request) {
	reply(w, b.Check(r.PathValue("name"), r.URL.Query().Get("subject")))
}

func (b Backend) config(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte(b.Config()))
}

func (b Backend) reload(w http.ResponseWriter, r *http.Request) {
	res, err := b.Reload(r.Context())
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, res)
}

func (b Backend) mute(w http.ResponseWriter, r *http.Request) {
	var q view.MuteRequest
	if !body(w, r, &q) {
		return
	}
	d, err := time.ParseDuration(q.For)
	switch {
	case strings.TrimSpace(q.Condition) == "":
		fail(w, http.StatusBadRequest, "no condition named", seeStatus+" for the names")
		return
	case err != nil || d <= 0 || d > longestMute:
		fail(w, http.StatusBadRequest, fmt.Sprintf("for=%q is no time to mute", cut(q.For, 32)), "send a duration such as 90s, 30m or 1h, at most 744h")
		return
	}
	m := view.Mute{Condition: q.Condition, Subject: q.Subject, Until: time.Now().Add(d).Round(time.Second), Reason: view.OneLine(q.Reason), By: view.OneLine(by(r, q.By))}
	if err := b.Mute(r.Context(), m); err != nil {
		failed(w, err)
		return
	}
	reply(w, m)
}

func (b Backend) unmute(w http.ResponseWriter, r *http.Request) {
	var q view.UnmuteRequest
	if !body(w, r, &q) {
		return
	}
	if strings.TrimSpace(q.Condition) == "" {
		fail(w, http.StatusBadRequest, "no condition named", seeStatus+" for the mutes in force")
		return
	}
	if err := b.Unmute(r.Context(), q.Condition, q.Subject); err != nil {
		failed(w, err)
		return
	}
	reply(w, struct{}{})
}

func (b Backend) maintain(w http.ResponseWriter, r *http.Request) {
	var q view.MaintenanceRequest
	if !body(w, r, &q) {
		return
	}
	d, err := time.ParseDuration(q.For)
	if err != nil || d <= 0 || d > longestMaintenance {
		fail(w, http.StatusBadRequest, fmt.Sprintf("for=%q is no time for maintenance", cut(view.OneLine(q.For), 32)), "send a duration such as 30m or 1h, at most 744h")
		return
	}
	m, err := b.StartMaintenance(r.Context(), d, q.Reason, by(r, q.By), q.Force)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, m)
}

func (b Backend) clear(w http.ResponseWriter, r *http.Request) {
	var q view.ClearRequest
	if !body(w, r, &q) {
		return
	}
	res, err := b.ClearRepairs(r.Context(), q.Action)
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, res)
}

// by is who asks: what they say, else their user name.
func by(r *http.Request, said string) string {
	if p, ok := peerOf(r.Context()); said == "" && ok {
		return userName(p.uid)
	}
	return said
}

func (b Backend) restart(w http.ResponseWriter, r *http.Request) {
	var q view.RestartRequest
	if !body(w, r, &q) {
		return
	}
	if named(w, q.Name) {
		done(w, b.RestartPod(r.Context(), q.Name))
	}
}

func (b Backend) stop(w http.ResponseWriter, r *http.Request) {
	var q view.StopRequest
	if !body(w, r, &q) || !named(w, q.Name) {
		return
	}
	d, err := time.ParseDuration(q.For)
	if err != nil || d <= 0 || d > longestStop {
		fail(w, http.StatusBadRequest, fmt.Sprintf("for=%q is no time to stop a pod for", cut(view.OneLine(q.For), 32)), "send a duration such as 90s, 30m or 1h, at most 744h")
		return
	}
	done(w, b.StopPod(r.Context(), q.Name, d))
}

func (b Backend) start(w http.ResponseWriter, r *http.Request) {
	var q view.StartRequest
	if body(w, r, &q) && named(w, q.Name) {
		done(w, b.StartPod(r.Context(), q.Name))
	}
}

// named reports whether a pod is named, or answers that none is.
func named(w http.ResponseWriter, name string) bool {
	if strings.TrimSpace(name) == "" {
		fail(w, http.StatusBadRequest, "no pod named", "see `nodeagent pods` for the names")
		return false
	}
	return true
}

// done answers a verb that answers nothing.
func done(w http.ResponseWriter, err error) {
	if err != nil {
		failed(w, err)
		return
	}
	reply(w, struct{}{})
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
