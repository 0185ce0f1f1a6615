// Package client asks the daemon over its unix socket. Every call has a deadline: the context's, or one of its own.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// Deadlines of calls whose context has none. A verb waits for its outcome.
const (
	readDeadline  = 5 * time.Second
	verbDeadline  = 70 * time.Second
	watchDeadline = 40 * time.Second
)

// answerLimit in bytes: far above the timeline's ring, which is the largest answer there is.
const answerLimit = 256 << 20

// What can be told apart with errors.Is. A refusal of the daemon itself is a *view.Error, for errors.As.
var (
	ErrNoDaemon   = errors.New("no nodeagent answers")
	ErrPermission = errors.New("no permission to use the socket")
	ErrNeedsRoot  = errors.New("this needs root")
	ErrTimeout    = errors.New("nodeagent did not answer in time")
)

// Client talks to one socket. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// New makes a client of the socket at a path. It connects when it is first used.
func New(socket string) *Client {
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		IdleConnTimeout: 10 * time.Second,
	}}}
}

// Close drops connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status is the whole node.
func (c *Client) Status(ctx context.Context) (view.Status, error) {
	return get[view.Status](ctx, c, readDeadline, "/v1/status", nil)
}

// Watch waits until the node's status has another sequence number than after, 30 s at most, and answers with it. 0 answers at once.
func (c *Client) Watch(ctx context.Context, after uint64) (view.Watch, error) {
	return get[view.Watch](ctx, c, watchDeadline, "/v1/watch", url.Values{"after": {strconv.FormatUint(after, 10)}})
}

// Pods are the static pods.
func (c *Client) Pods(ctx context.Context) ([]view.Pod, error) {
	return get[[]view.Pod](ctx, c, readDeadline, "/v1/pods", nil)
}

// Network is Flannel on the node, and its peers.
func (c *Client) Network(ctx context.Context) (view.Network, error) {
	return get[view.Network](ctx, c, readDeadline, "/v1/network", nil)
}

// VIP is what keepalived is told, and what is seen of VRRP and the balancer.
func (c *Client) VIP(ctx context.Context) (view.VIP, error) {
	return get[view.VIP](ctx, c, readDeadline, "/v1/vip", nil)
}

// StartMaintenance takes the node away from its VIPs for a while, and answers with what is in force.
func (c *Client) StartMaintenance(ctx context.Context, q view.MaintenanceRequest) (view.Maintenance, error) {
	return post[view.Maintenance](ctx, c, "/v1/maintenance/start", q)
}

// StopMaintenance ends it.
func (c *Client) StopMaintenance(ctx context.Context) error {
	_, err := post[struct{}](ctx, c, "/v1/maintenance/stop", struct{}{})
	return err
}

// Repairs is what the agent would mend now, and why not.
func (c *Client) Repairs(ctx context.Context) (view.RepairPlan, error) {
	return get[view.RepairPlan](ctx, c, readDeadline, "/v1/repairs", nil)
}

// ClearRepairs lets repairs that need a person go on: one, or all where action is empty.
func (c *Client) ClearRepairs(ctx context.Context, action string) (view.ClearResult, error) {
	return post[view.ClearResult](ctx, c, "/v1/repairs/clear", view.ClearRequest{Action: action})
}

// Events are the timeline's from a moment on, oldest first; the zero time asks for all.
func (c *Client) Events(ctx context.Context, since time.Time) ([]event.Event, error) {
	var q url.Values
	if !since.IsZero() {
		q = url.Values{"since": {since.Format(time.RFC3339Nano)}}
	}
	return get[[]event.Event](ctx, c, readDeadline, "/v1/events", q)
}

// EventsAfter waits for events above a sequence number, 30 s at most, and answers with them; with none if none came.
func (c *Client) EventsAfter(ctx context.Context, seq uint64) ([]event.Event, error) {
	return get[[]event.Event](ctx, c, watchDeadline, "/v1/events", url.Values{"after": {strconv.FormatUint(seq, 10)}})
}

// Check is one condition, or one subject of it.
func (c *Client) Check(ctx context.Context, name, subject string) (view.Check, error) {
	var q url.Values
	if subject != "" {
		q = url.Values{"subject": {subject}}
	}
	if name == "" || name == "." || name == ".." { // no path names these
		return view.Check{}, &view.Error{Problem: fmt.Sprintf("%q is no name", name), Fix: "see `nodeagent status` for all names"}
	}
	return get[view.Check](ctx, c, readDeadline, "/v1/check/"+url.PathEscape(name), q)
}

// Config is the effective configuration as text.
func (c *Client) Config(ctx context.Context) (string, error) {
	b, err := c.call(ctx, readDeadline, http.MethodGet, "/v1/config", nil, nil)
	return string(b), err
}

// Reload reads the configuration again and waits for the outcome. A refused configuration is an outcome and no error.
func (c *Client) Reload(ctx context.Context) (view.ReloadResult, error) {
	return post[view.ReloadResult](ctx, c, "/v1/reload", struct{}{})
}

// Mute mutes a condition and answers with the mute in force.
func (c *Client) Mute(ctx context.Context, m view.MuteRequest) (view.Mute, error) {
	return post[view.Mute](ctx, c, "/v1/mute", m)
}

// Unmute ends the mute of exactly this condition and subject.
func (c *Client) Unmute(ctx context.Context, condition, subject string) error {
	_, err := post[struct{}](ctx, c, "/v1/unmute", view.UnmuteRequest{Condition: condition, Subject: subject})
	return err
}

// RestartPod restarts a static pod: NAME or NAMESPACE/NAME.
func (c *Client) RestartPod(ctx context.Context, name string) error {
	_, err := post[struct{}](ctx, c, "/v1/pods/restart", view.RestartRequest{Name: name})
	return err
}

// StopPod stops a static pod for a while, at most 744 h; it starts again by itself.
func (c *Client) StopPod(ctx context.Context, name string, d time.Duration) error {
	_, err := post[struct{}](ctx, c, "/v1/pods/stop", view.StopRequest{Name: name, For: d.String()})
	return err
}

// StartPod ends what StopPod began.
func (c *Client) StartPod(ctx context.Context, name string) error {
	_, err := post[struct{}](ctx, c, "/v1/pods/start", view.StartRequest{Name: name})
	return err
}

// PrunePods stops the pods that are kept although their manifests are gone.
func (c *Client) PrunePods(ctx context.Context) error {
	_, err := post[struct{}](ctx, c, "/v1/pods/prune", struct{}{})
	return err
}

// ResumePods lets pods be run again after the agent stepped back from another owner of the node.
func (c *Client) ResumePods(ctx context.Context) error {
	_, err := post[struct{}](ctx, c, "/v1/pods/resume", struct{}{})
	return err
}

func get[T any](ctx context.Context, c *Client, d time.Duration, path string, q url.Values) (v T, err error) {
	b, err := c.call(ctx, d, http.MethodGet, path, q, nil)
	return decode[T](path, b, err)
}

func post[T any](ctx context.Context, c *Client, path string, body any) (v T, err error) {
	in, err := json.Marshal(body)
	if err != nil {
		return v, fmt.Errorf("ask for %s: %w", path, err)
	}
	b, err := c.call(ctx, verbDeadline, http.MethodPost, path, nil, in)
	return decode[T](path, b, err)
}

func decode[T any](path string, b []byte, err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("read the answer to %s: %w: are command and daemon of one version? restart the daemon after an upgrade", path, err)
	}
	return v, nil
}

func (c *Client) call(ctx context.Context, d time.Duration, method, path string, q url.Values, body []byte) ([]byte, error) {
	own := false
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
		own = true
	}
	u := "http://nodeagent" + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(err, own, d)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return nil, c.explain(err, own, d)
	}
	if res.StatusCode == http.StatusOK {
		return b, nil
	}
	return nil, refusal(res, b, path)
}

func refusal(res *http.Response, b []byte, path string) error {
	e := &view.Error{}
	if json.Unmarshal(b, e) != nil || e.Problem == "" {
		e = &view.Error{Problem: fmt.Sprintf("%s answered %s", path, res.Status), Fix: "see the agent's log"}
	}
	switch {
	case res.StatusCode == http.StatusForbidden:
		return &marked{e, ErrNeedsRoot}
	case res.StatusCode == http.StatusNotFound && len(e.Routes) > 0:
		e.Fix = "the daemon is of another version than this command; restart it"
	}
	return e
}

// marked is a refusal that errors.Is finds as one of the errors above.
type marked struct {
	refusal *view.Error
	kind    error
}

func (m *marked) Error() string   { return m.refusal.Error() }
func (m *marked) Unwrap() []error { return []error{m.refusal, m.kind} }

func (c *Client) explain(err error, own bool, d time.Duration) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w %s: run it with sudo, or add yourself to group nodeagent (`usermod -aG nodeagent USER`) and log in again", ErrPermission, c.socket)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w on %s, the socket is not there: start it with `systemctl start nodeagent`", ErrNoDaemon, c.socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s, the socket is left of a dead one: start it with `systemctl start nodeagent`", ErrNoDaemon, c.socket)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded) && own:
		return fmt.Errorf("%w (%v) on %s: see `systemctl status nodeagent` and its log", ErrTimeout, d, c.socket)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w on %s: %w: see `systemctl status nodeagent` and its log", ErrTimeout, c.socket, context.DeadlineExceeded)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("ask nodeagent on %s: %w", c.socket, err)
}
