package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// serve answers HTTP until SIGTERM: / greets, /env shows the environment.
func serve(term context.Context, port string, out io.Writer) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("", port))
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{Handler: pages(host, time.Now()), ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintf(out, "serving on %s\n", listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-term.Done():
	}
	fmt.Fprintln(out, "stopped")
	last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// pages names the host and the start: a new start time shows a restart. A
// container is not told its attempt; a manifest may pass anything as environment.
func pages(host string, started time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from %s, up since %s\n", host, started.UTC().Format(time.RFC3339))
		if greeting := os.Getenv("GREETING"); greeting != "" {
			fmt.Fprintln(w, greeting)
		}
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	return mux
}
