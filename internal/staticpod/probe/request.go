package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"nodeagent/internal/staticpod/manifest"
)

// User agents. The number is of what is asked and how, so that a log filter outlives releases.
const (
	probeAgent = "nodeagent-probe/1"
	hookAgent  = "nodeagent-lifecycle/1"
)

// port resolves a number, a name among the container's ports, or a number written as text, in this order.
func port(p intstr.IntOrString, c *corev1.Container) (int, error) {
	n := int(p.IntVal)
	if p.Type == intstr.String {
		n = 0
		if c != nil {
			for _, cp := range c.Ports {
				if cp.Name == p.StrVal {
					n = int(cp.ContainerPort)
				}
			}
		}
		if n == 0 {
			var err error
			if n, err = strconv.Atoi(p.StrVal); err != nil {
				return 0, fmt.Errorf("the container has no port named %q: name it under ports, or write its number", p.StrVal)
			}
		}
	}
	if n < 1 || n > 65535 {
		return 0, fmt.Errorf("port %d: must lie between 1 and 65535", n)
	}
	return n, nil
}

// address of a handler: its host, or the pod's.
func address(host string, p intstr.IntOrString, t Target) (string, error) {
	n, err := port(p, t.Spec)
	if err != nil {
		return "", err
	}
	if host == "" {
		host = t.PodIP
	}
	if host == "" {
		return "", fmt.Errorf("the pod's IP is not known yet")
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

// request builds what httpGet asks (kubernetes, pkg/probe/http/request.go). The path may have a query.
func request(ctx context.Context, get *corev1.HTTPGetAction, t Target, agent string) (*http.Request, error) {
	host, err := address(get.Host, get.Port, t)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(get.Path)
	if err != nil {
		u = &url.URL{Path: get.Path} // kubelet asks for it as it stands
	}
	if u.Scheme = strings.ToLower(string(get.Scheme)); u.Scheme == "" {
		u.Scheme = "http"
	}
	u.Host = host
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("httpGet: no request can be made of its scheme, host and path")
	}
	for _, h := range get.HTTPHeaders {
		r.Header.Add(h.Name, h.Value)
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header.Set("User-Agent", agent)
	}
	if _, ok := r.Header["Accept"]; !ok {
		r.Header.Set("Accept", "*/*")
	} else if r.Header.Get("Accept") == "" {
		r.Header.Del("Accept")
	}
	r.Host = r.Header.Get("Host") // empty: the URL's
	return r, nil
}

// command of an exec probe: $(NAME) is replaced by the values that stand in the container's own env list, and by nothing for those that
// come from elsewhere (kubernetes, ExpandContainerCommandOnlyStatic). Hooks are not expanded.
func command(cmd []string, c *corev1.Container) []string {
	env := map[string]string{}
	if c != nil {
		for _, e := range c.Env {
			env[e.Name] = e.Value
		}
	}
	out := make([]string, len(cmd))
	for i, s := range cmd {
		out[i] = manifest.Expand(s, env)
	}
	return out
}
