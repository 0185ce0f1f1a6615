package kubelet

import (
	"context"
	"net/http"
	"time"
)

// DefaultHealthz is where a kubelet answers unless its configuration says otherwise.
const DefaultHealthz = "127.0.0.1:10248"

// answersWithin bounds Answers: on loopback a kubelet answers in under a millisecond.
const answersWithin = time.Second

// Answers tells whether anything speaks HTTP at a kubelet's health address (host:port, see Config.HealthzAddress), whatever it
// says. It takes at most a second.
func Answers(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return false
	}
	// No proxy, no kept connection, no redirect to elsewhere.
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}
