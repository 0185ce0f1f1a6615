//go:build bench

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const (
	scrapes     = 200
	scrapedPods = 20
)

// scrape measures what a scrape costs the agent with twenty pods, and what it costs node_exporter in the same run. Under load the time of a
// scrape says little, so it is the CPU that is held to a limit.
func scrape(ctx context.Context, o options) (out []Figure, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	for i := range scrapedPods {
		name := fmt.Sprintf("scraped-%d", i)
		if err := r.put(name+".yaml", pod(name, "")); err != nil {
			return nil, err
		}
	}
	if err := r.running(ctx, scrapedPods); err != nil {
		return nil, err
	}
	if err := rest(ctx); err != nil {
		return nil, err
	}
	address, err := r.metrics()
	if err != nil {
		return nil, err
	}
	ours, err := costOf(ctx, r.agent.Process.Pid, "http://"+address+"/metrics")
	if err != nil {
		return nil, err
	}
	peer, err := nodeExporter(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range []Figure{
		{Name: "scrape/20-pods-cpu", Value: ours.cpu, Unit: "ms", Peer: "node_exporter", PeerValue: peer.cpu, Ratio: ours.cpu / peer.cpu, N: scrapes},
		{Name: "scrape/20-pods-cpu-a-scrape", Value: ours.cpu, Unit: "ms", N: scrapes, Limit: 2},
		{Name: "scrape/20-pods-gzip", Value: ours.bytes / 1000, Unit: "kB", N: 1, Limit: 20},
		{Name: "scrape/20-pods-series", Value: ours.series, Unit: "", Peer: "node_exporter", PeerValue: peer.series, Ratio: ours.series / peer.series, N: 1},
	} {
		fmt.Println(f)
		out = append(out, f)
	}
	return out, nil
}

var listening = regexp.MustCompile(`"msg":"Listening on",.*"address":"([^"]+)"`)

// metrics is the address of the agent's listener, as its log has it.
func (r *rig) metrics() (string, error) {
	b, err := os.ReadFile(r.log)
	if err != nil {
		return "", err
	}
	m := listening.FindSubmatch(b)
	if m == nil {
		return "", errors.New("the agent's log has no address of its listener")
	}
	return string(m[1]), nil
}

// scrapeCost is that of one scrape.
type scrapeCost struct {
	cpu    float64 // ms of the process
	bytes  float64 // gzip
	series float64
}

func costOf(ctx context.Context, pid int, url string) (scrapeCost, error) {
	var c scrapeCost
	plain, err := fetch(ctx, url, "identity")
	if err != nil {
		return c, err
	}
	lines := bufio.NewScanner(strings.NewReader(plain))
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "#") {
			c.series++
		}
	}
	zipped, err := fetch(ctx, url, "gzip")
	if err != nil {
		return c, err
	}
	c.bytes = float64(len(zipped))
	before, err := ticks(pid)
	if err != nil {
		return c, err
	}
	for range scrapes {
		if _, err := fetch(ctx, url, "gzip"); err != nil {
			return c, err
		}
	}
	after, err := ticks(pid)
	c.cpu = float64(after-before) / 1e6 / scrapes
	return c, err
}

func fetch(ctx context.Context, url, encoding string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept-Encoding", encoding)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(b), err
}

// nodeExporter starts Debian's, and measures it in the same way.
func nodeExporter(ctx context.Context) (scrapeCost, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return scrapeCost{}, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return scrapeCost{}, err
	}
	cmd := exec.CommandContext(ctx, "prometheus-node-exporter", "--web.listen-address="+address)
	if err := cmd.Start(); err != nil {
		return scrapeCost{}, fmt.Errorf("start node_exporter (apt-get install prometheus-node-exporter): %w", err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	url := "http://" + address + "/metrics"
	for range 100 {
		if _, err = fetch(ctx, url, "gzip"); err == nil {
			return costOf(ctx, cmd.Process.Pid, url)
		}
		time.Sleep(100 * time.Millisecond) // it has just been started and says nowhere when it listens
	}
	return scrapeCost{}, err
}
