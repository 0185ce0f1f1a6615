package keepalive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"nodeagent/internal/view"
)

// AnswerPath is where the agent's HTTP listener serves its Answer to other agents.
const AnswerPath = "/v1/vip"

// Answer is what one agent tells another: whether it could hold a VIP.
type Answer struct {
	Node     string         `json:"node"`
	Policies []PolicyAnswer `json:"policies"`
}

// PolicyAnswer is one policy's. Fit is false too while the node goes into maintenance, so that two nodes which ask each other at the same time
// don't both go.
type PolicyAnswer struct {
	Name   string `json:"name"`
	Fit    bool   `json:"fit"`
	Number int    `json:"number"`
	Word   Word   `json:"word"`
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// Heard is what came of asking one peer.
type Heard struct {
	Peer   string
	Answer Answer
	Err    error
}

// AskPeers asks every peer beside the others. It ends with ctx at the latest; a peer that did not answer until then has an error. client may
// be nil. No redirect is followed.
func AskPeers(ctx context.Context, client *http.Client, peers []string) []Heard {
	c := http.Client{Transport: http.DefaultTransport}
	if client != nil {
		c = *client
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	out := make([]Heard, len(peers))
	var asking sync.WaitGroup
	for i, peer := range peers {
		asking.Go(func() {
			out[i].Peer = peer
			out[i].Answer, out[i].Err = askPeer(ctx, &c, peer)
		})
	}
	asking.Wait()
	return out
}

func askPeer(ctx context.Context, c *http.Client, peer string) (a Answer, err error) {
	u, err := url.Parse(peer)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return a, errors.New("not an address such as http://10.0.0.2:10249")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(AnswerPath).String(), nil)
	if err != nil {
		return a, err
	}
	resp, err := c.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) { // its text has the address, perhaps with a password
			err = inner.Err
		}
		return a, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("it answered %s", resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return a, err
	}
	return parseAnswer(b)
}

func parseAnswer(b []byte) (a Answer, err error) {
	if len(b) > maxAnswer {
		return Answer{}, fmt.Errorf("its answer is longer than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return Answer{}, fmt.Errorf("its answer is none of this agent's: %w", err)
	}
	return a, nil
}

// mayLeave decides whether this node may be taken away: nil where some other node is known to be fit for each policy that this one is fit for.
// Its error is for the person who asked.
func mayLeave(node string, own []Verdict, heard []Heard) error {
	for _, v := range own {
		if !v.Fit() {
			continue // it takes nothing away
		}
		var unfit, unknown []string
		fit := false
		for _, h := range heard {
			at := slices.IndexFunc(h.Answer.Policies, func(p PolicyAnswer) bool { return p.Name == v.Policy })
			switch {
			case h.Err != nil:
				unknown = append(unknown, fmt.Sprintf("%s (%v)", redacted(h.Peer), h.Err))
			case h.Answer.Node == "" || h.Answer.Node == node: // itself, by one of its addresses
			case at < 0:
				unknown = append(unknown, fmt.Sprintf("%s (it has no policy %s)", redacted(h.Peer), v.Policy))
			case h.Answer.Policies[at].Fit && h.Answer.Policies[at].Number >= 0:
				fit = true
			default:
				unfit = append(unfit, fmt.Sprintf("%s (%s)", redacted(h.Peer), h.Answer.Policies[at].Word))
			}
		}
		switch {
		case fit:
		case len(unknown) > 0:
			return &view.Error{Problem: fmt.Sprintf("whether another node is fit for %s is not known: no answer of use from %s", v.Policy, strings.Join(unknown, ", ")),
				Fix: "Look at those nodes (`nodeagent status` there); --force goes ahead without them."}
		case len(unfit) > 0:
			return &view.Error{Problem: fmt.Sprintf("this is the last node that is fit for %s: unfit are %s", v.Policy, strings.Join(unfit, ", ")),
				Fix: "Make one of them fit first; --force takes the last one away."}
		default:
			return &view.Error{Problem: fmt.Sprintf("whether another node is fit for %s is not known: keepalive.peers names no other agent", v.Policy),
				Fix: "Put their addresses into keepalive.peers; --force goes ahead without asking."}
		}
	}
	return nil
}

// redacted is an address without its password.
func redacted(peer string) string {
	u, err := url.Parse(peer)
	if err != nil {
		return "an address that can't be read"
	}
	return u.Redacted()
}
