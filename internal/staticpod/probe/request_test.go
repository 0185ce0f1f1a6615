package probe

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var webSpec = &corev1.Container{
	Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "bad", ContainerPort: 70000}},
	Env:   []corev1.EnvVar{{Name: "PORT", Value: "99"}, {Name: "KEY", ValueFrom: &corev1.EnvVarSource{}}},
}

func TestPort(t *testing.T) {
	for _, c := range []struct {
		in   intstr.IntOrString
		want int
		err  string
	}{
		{intstr.FromInt32(80), 80, ""},
		{intstr.FromString("http"), 8080, ""},
		{intstr.FromString("81"), 81, ""},
		{intstr.FromString("https"), 0, `no port named "https"`},
		{intstr.FromString("bad"), 0, "between 1 and 65535"},
		{intstr.FromInt32(0), 0, "between 1 and 65535"},
		{intstr.FromInt32(65536), 0, "between 1 and 65535"},
	} {
		got, err := port(c.in, webSpec)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: %d, %v; want %d, %q", c.in, got, err, c.want, c.err)
		}
	}
	if _, err := port(intstr.FromString("http"), nil); err == nil {
		t.Error("a name without a container has a port")
	}
}

func TestRequest(t *testing.T) {
	header := func(kv ...string) (out []corev1.HTTPHeader) {
		for c := range slices.Chunk(kv, 2) {
			out = append(out, corev1.HTTPHeader{Name: c[0], Value: c[1]})
		}
		return out
	}
	for _, c := range []struct {
		name string
		get  corev1.HTTPGetAction
		ip   string
		url  string
		host string
		head map[string]string // "-": not set
		err  string
	}{
		{name: "plain", get: corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(80)}, ip: "10.0.0.1", url: "http://10.0.0.1:80/healthz",
			head: map[string]string{"User-Agent": "nodeagent-probe/1", "Accept": "*/*"}},
		{name: "IPv6 and https", get: corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http"), Scheme: "HTTPS"}, ip: "fd00::1", url: "https://[fd00::1]:8080/"},
		{name: "query", get: corev1.HTTPGetAction{Path: "/a?b=c&d", Port: intstr.FromInt32(80)}, ip: "10.0.0.1", url: "http://10.0.0.1:80/a?b=c&d"},
		{name: "no slash", get: corev1.HTTPGetAction{Path: "a", Port: intstr.FromInt32(80)}, ip: "10.0.0.1", url: "http://10.0.0.1:80/a"},
		{name: "not a URL", get: corev1.HTTPGetAction{Path: "/%zz", Port: intstr.FromInt32(80)}, ip: "10.0.0.1", url: "http://10.0.0.1:80/%25zz"},
		{name: "host of another", get: corev1.HTTPGetAction{Path: "//evil/x", Host: "127.0.0.1", Port: intstr.FromInt32(80)}, url: "http://127.0.0.1:80/x"},
		{name: "headers", get: corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80), HTTPHeaders: header("Host", "web.example", "user-agent", "me", "Accept", "", "X", "1")},
			ip: "10.0.0.1", url: "http://10.0.0.1:80/", host: "web.example", head: map[string]string{"User-Agent": "me", "Accept": "-", "X": "1"}},
		{name: "no IP", get: corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80)}, err: "IP is not known"},
		{name: "no such port", get: corev1.HTTPGetAction{Port: intstr.FromString("x")}, ip: "10.0.0.1", err: "no port named"},
		{name: "bad host", get: corev1.HTTPGetAction{Host: "a b", Path: "/?token=secret", Port: intstr.FromInt32(80)}, err: "no request can be made"},
	} {
		r, err := request(context.Background(), &c.get, Target{PodIP: c.ip, Spec: webSpec}, probeAgent)
		if err != nil || c.err != "" {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if r.URL.String() != c.url || r.Host != c.host {
			t.Errorf("%s: %s for host %q, want %s for %q", c.name, r.URL, r.Host, c.url, c.host)
		}
		for k, v := range c.head {
			if got, ok := r.Header[k]; v == "-" && ok || v != "-" && !slices.Equal(got, []string{v}) {
				t.Errorf("%s: header %s is %q, want %q", c.name, k, got, v)
			}
		}
	}
}

func TestCommand(t *testing.T) {
	got := command([]string{"curl", "localhost:$(PORT)", "$$(PORT)", "x$(KEY)y", "$(NONE)"}, webSpec)
	want := []string{"curl", "localhost:99", "$(PORT)", "xy", "$(NONE)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		" \n a\tb\x00\x1b[31mc  d\n":   "a b [31mc d",
		"gr\u00fc\u00df\xff\xfee":      "grüß e",
		strings.Repeat("x", 500):       strings.Repeat("x", maxOutput-1),
		strings.Repeat("\u20ac", 100):  strings.Repeat("€", (maxOutput-1)/3),
		strings.Repeat("\x00", 1<<16):  "",
		strings.Repeat("ab ", 100)[:9]: "ab ab ab",
	} {
		if got := printable([]byte(in), maxOutput); got != want || len(got) > maxOutput {
			t.Errorf("%.20q: %q, want %q", in, got, want)
		}
	}
}
