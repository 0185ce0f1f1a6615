package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxConfig is the largest /config or /info that is read.
const maxConfig = 4 << 20

// askCRIO reads CRI-O's /config and /info, which it serves over HTTP on its CRI socket. Both are told by every version since 1.20; a 404 is an
// error like any other.
func askCRIO(ctx context.Context, socket string, timeout time.Duration) (Told, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b, err := get(ctx, client, "/config")
	if err != nil {
		return Told{}, err
	}
	t, err := toldCRIO(b)
	if err != nil {
		return Told{}, err
	}
	b, err = get(ctx, client, "/info")
	if err != nil {
		return t, err
	}
	var info struct {
		Driver string `json:"cgroup_driver"`
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return t, fmt.Errorf("read /info of CRI-O: %w", err)
	}
	if info.Driver != "" { // what it does, not what it was told
		t.CgroupDriver = info.Driver
	}
	return t, nil
}

func get(ctx context.Context, client *http.Client, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask CRI-O for %s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask CRI-O for %s: %s", path, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig))
	if err != nil {
		return nil, fmt.Errorf("read %s of CRI-O: %w", path, err)
	}
	return b, nil
}
