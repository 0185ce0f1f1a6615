package fleet

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Fleet serves the scrapes of its nodes, each below a path of its name.
type Fleet struct {
	Nodes  []*Node
	server *http.Server
	addr   string
}

// Serve makes nodes and serves them on loopback.
func Serve(count int, version string) (*Fleet, error) {
	f := &Fleet{}
	mux := http.NewServeMux()
	for i := range count {
		n := NewNode(i, version)
		f.Nodes = append(f.Nodes, n)
		mux.Handle("GET /"+n.Name+"/metrics", n)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.addr, f.server = l.Addr().String(), &http.Server{Handler: mux}
	go func() { _ = f.server.Serve(l) }()
	return f, nil
}

// Close ends all scrapes.
func (f *Fleet) Close() error { return f.server.Close() }

// Targets is what Prometheus' static_configs lists: one node a group, in one of several clusters.
func (f *Fleet) Targets(clusters int) string {
	var b strings.Builder
	for i, n := range f.Nodes {
		fmt.Fprintf(&b, "  - targets: ['%s']\n    labels: {instance: '%s', cluster: 'cluster%d', __metrics_path__: '/%s/metrics'}\n", f.addr, n.Name, i%clusters, n.Name)
	}
	return b.String()
}
