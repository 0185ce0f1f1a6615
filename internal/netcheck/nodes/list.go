package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"

	"nodeagent/internal/netcheck"
)

// maxList bounds an answer: a node takes some 15 kB, most of it images.
const maxList = 64 << 20

// maxPages bounds the questions of one list.
const (
	pageSize = 200
	maxPages = 50
)

// The annotations, of flannel's pkg/subnet/kube.
const annotation = "flannel.alpha.coreos.com/"

type nodeList struct {
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Items []struct {
		Metadata struct {
			Name        string            `json:"name"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Spec struct {
			PodCIDR  string   `json:"podCIDR"`
			PodCIDRs []string `json:"podCIDRs"`
		} `json:"spec"`
	} `json:"items"`
}

// list asks for all nodes.
func (s server) list(ctx context.Context) ([]netcheck.Node, error) {
	var out []netcheck.Node
	next := ""
	for range maxPages {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/api/v1/nodes", nil)
		if err != nil {
			return nil, fmt.Errorf("list nodes: %w", err)
		}
		v := q.URL.Query()
		v.Set("limit", fmt.Sprint(pageSize))
		if next != "" {
			v.Set("continue", next)
		}
		q.URL.RawQuery = v.Encode()
		q.Header.Set("Accept", "application/json")
		if s.token != "" {
			q.Header.Set("Authorization", "Bearer "+s.token)
		}
		page, more, err := s.page(q)
		if err != nil {
			return nil, fmt.Errorf("list nodes: %w", err)
		}
		out = append(out, page...)
		if next = more; next == "" {
			return out, nil
		}
	}
	return nil, fmt.Errorf("list nodes: more than %d pages", maxPages)
}

func (s server) page(q *http.Request) ([]netcheck.Node, string, error) {
	r, err := s.client.Do(q)
	if err != nil {
		return nil, "", err
	}
	defer r.Body.Close()
	switch r.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, "", fmt.Errorf("the API server answers %s: who the kubeconfig names must be allowed to list nodes", r.Status)
	default:
		return nil, "", fmt.Errorf("the API server answers %s", r.Status)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxList+1))
	if err != nil {
		return nil, "", err
	}
	if len(b) > maxList {
		return nil, "", fmt.Errorf("the answer is larger than %d bytes", maxList)
	}
	return decode(b)
}

// decode reads one page. What an annotation has that is none is left out of the node, and no error: the rest of it counts.
func decode(b []byte) ([]netcheck.Node, string, error) {
	var l nodeList
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, "", errors.New("the answer is no list of nodes")
	}
	var out []netcheck.Node
	for _, i := range l.Items {
		a := i.Metadata.Annotations
		n := netcheck.Node{Name: i.Metadata.Name, Backend: a[annotation+"backend-type"], VTEP: vtep(a[annotation+"backend-data"]), VTEPv6: vtep(a[annotation+"backend-v6-data"])}
		n.PublicIP, _ = netip.ParseAddr(a[annotation+"public-ip"])
		n.PublicIPv6, _ = netip.ParseAddr(a[annotation+"public-ipv6"])
		cidrs := i.Spec.PodCIDRs
		if len(cidrs) == 0 && i.Spec.PodCIDR != "" {
			cidrs = []string{i.Spec.PodCIDR}
		}
		for _, c := range cidrs {
			if p, err := netip.ParsePrefix(c); err == nil {
				n.Subnets = append(n.Subnets, p.Masked())
			}
		}
		if n.Backend != "" { // one without is no node of Flannel's yet
			out = append(out, n)
		}
	}
	return out, l.Metadata.Continue, nil
}

// vtep is the MAC in backend-data, {"VNI":1,"VtepMAC":"..."}.
func vtep(text string) string {
	var d struct {
		VtepMAC string `json:"VtepMAC"`
	}
	if json.Unmarshal([]byte(text), &d) != nil {
		return ""
	}
	return d.VtepMAC
}
