package component

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// etcdPlace is where an etcd member is asked.
type etcdPlace struct {
	metrics *url.URL // of its metrics and health; nil: served with the clients' port
	client  *url.URL
	ca      string // file of the CA that signed its certificate
	quota   int64  // --quota-backend-bytes; 0: not said

	asksCertificate bool   // over TLS its clients must show one
	clientCA        string // file of the CA whose clients it takes; empty: not said
	picky           bool   // it takes not all of them
}

// defaultQuota is etcd's own.
const defaultQuota = 2 << 30

// etcdSettings are flags that may stand in its configuration file or environment instead.
var etcdSettings = []string{
	"listen-client-urls", "listen-metrics-urls", "quota-backend-bytes", "data-dir",
	"cert-file", "client-cert-auth", "trusted-ca-file", "client-crl-file", "client-cert-allowed-hostname",
	"listen-peer-urls", "peer-cert-file", "peer-key-file", "peer-client-cert-auth", "peer-trusted-ca-file", "peer-crl-file", "peer-cert-allowed-cn", "peer-cert-allowed-hostname",
}

// etcdFlags are the settings of an etcd: its flags; else its configuration file's, which rules alone where it is named, else its environment's.
// Without the right to read them it is not known where it listens: to try is to leave a line in its log where it speaks TLS.
func etcdFlags(cfg Config, f found) (flags, error) {
	own := f.flags()
	if own["listen-client-urls"] != "" || f.process == nil {
		return own, nil
	}
	if file := own["config-file"]; file != "" {
		if err := asStarted(file, f.process); err != nil {
			return nil, err
		}
		return etcdFile(file)
	}
	b, err := os.ReadFile(filepath.Join(cfg.Proc, strconv.Itoa(f.process.pid), "environ"))
	if err != nil {
		return nil, fmt.Errorf("its flags do not say where it listens, and its environment can't be read: %w", err)
	}
	out := flags{}
	for k, v := range own {
		out[k] = v
	}
	for _, line := range strings.Split(string(b), "\x00") {
		for _, name := range etcdSettings {
			if v, ok := strings.CutPrefix(line, "ETCD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="); ok && out[name] == "" {
				out[name] = v
			}
		}
	}
	return out, nil
}

func etcdFile(file string) (flags, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read etcd's configuration: %w", err)
	}
	type transport struct {
		Cert     string `yaml:"cert-file"`
		Key      string `yaml:"key-file"`
		Auth     bool   `yaml:"client-cert-auth"`
		CA       string `yaml:"trusted-ca-file"`
		CRL      string `yaml:"crl-file"`
		Hostname string `yaml:"allowed-hostname"`
		CN       string `yaml:"allowed-cn"`
	}
	var c struct {
		Client   string    `yaml:"listen-client-urls"`
		Metrics  string    `yaml:"listen-metrics-urls"`
		Peer     string    `yaml:"listen-peer-urls"`
		Data     string    `yaml:"data-dir"`
		Quota    int64     `yaml:"quota-backend-bytes"`
		Hostname string    `yaml:"client-cert-allowed-hostname"`
		CRL      string    `yaml:"client-crl-file"`
		TLS      transport `yaml:"client-transport-security"`
		PeerTLS  transport `yaml:"peer-transport-security"`
	}
	if yaml.Unmarshal(text, &c) != nil {
		return nil, errors.New("etcd's configuration " + file + " is no valid YAML")
	}
	return flags{
		"listen-client-urls": c.Client, "listen-metrics-urls": c.Metrics, "quota-backend-bytes": strconv.FormatInt(c.Quota, 10), "data-dir": c.Data,
		"cert-file": c.TLS.Cert, "client-cert-auth": strconv.FormatBool(c.TLS.Auth), "trusted-ca-file": c.TLS.CA,
		"client-crl-file": cmp.Or(c.TLS.CRL, c.CRL), "client-cert-allowed-hostname": cmp.Or(c.TLS.Hostname, c.TLS.CN, c.Hostname),
		"listen-peer-urls": c.Peer, "peer-cert-file": c.PeerTLS.Cert, "peer-key-file": c.PeerTLS.Key, "peer-client-cert-auth": strconv.FormatBool(c.PeerTLS.Auth),
		"peer-trusted-ca-file": c.PeerTLS.CA, "peer-crl-file": c.PeerTLS.CRL, "peer-cert-allowed-cn": c.PeerTLS.CN, "peer-cert-allowed-hostname": c.PeerTLS.Hostname,
	}, nil
}

// etcdAt decides where it is asked.
func etcdAt(f flags) (etcdPlace, error) {
	p := etcdPlace{client: pick(f.or("listen-client-urls", "http://127.0.0.1:2379")), metrics: pick(f["listen-metrics-urls"]), ca: f["trusted-ca-file"]}
	if p.client == nil {
		return p, errors.New("--listen-client-urls has no URL in it")
	}
	p.asksCertificate = p.ca != "" || f["client-cert-auth"] == "true"
	p.picky = f["client-crl-file"] != "" || f["client-cert-allowed-hostname"] != ""
	p.quota, _ = strconv.ParseInt(f["quota-backend-bytes"], 10, 64)
	return p, nil
}

// pick is the URL of a list that is asked: over loopback where it listens there, else the first. nil: none.
func pick(list string) *url.URL {
	var first *url.URL
	for _, text := range strings.Split(list, ",") {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		u = &url.URL{Scheme: u.Scheme, Host: u.Host}
		ip, err := netip.ParseAddr(u.Hostname())
		switch {
		case u.Hostname() == "localhost", err == nil && ip.IsLoopback():
			return u
		case err == nil && ip.IsUnspecified():
			host := "127.0.0.1"
			if ip.Is6() {
				host = "::1"
			}
			u.Host = net.JoinHostPort(host, u.Port())
			return u
		}
		if first == nil {
			first = u
		}
	}
	return first
}
