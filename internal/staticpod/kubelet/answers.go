package kubelet

import (
	"bufio"
	"context"
	"fmt"
	"net"
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
	if refused(address) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // whatever waits ends
	if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address); err != nil {
		return false
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}
