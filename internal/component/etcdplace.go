package component

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
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
	http    *url.URL // where the clients' HTTP has a port beside their gRPC; nil: it has none
	client  *url.URL
	ca      string // file of the CA that signed its certificate
	quota   int64  // --quota-backend-bytes; 0: not said

	asksCertificate bool   // over TLS its clients must show one
	clientCA        string // file of the CA whose clients it takes; empty: not said
	picky           bool   // it takes not all of them
}

// page is where its metrics are.
func (p etcdPlace) page() *url.URL { return cmp.Or(p.metrics, p.http, p.client) }

// defaultQuota is etcd's own.
const defaultQuota = 2 << 30

// etcdSettings are flags that may stand in its configuration file or environment instead.
var etcdSettings = []string{
	"config-file", "listen-client-urls", "listen-client-http-urls", "listen-metrics-urls", "quota-backend-bytes", "data-dir",
	"cert-file", "client-cert-auth", "trusted-ca-file", "client-crl-file", "client-cert-allowed-hostname",
	"listen-peer-urls", "peer-cert-file", "peer-key-file", "peer-client-cert-auth", "peer-trusted-ca-file", "peer-crl-file", "peer-cert-allowed-cn", "peer-cert-allowed-hostname",
}

// etcdFlags are the settings of an etcd: its configuration file's, which rules alone where one is named, else its flags, and what they do not say its
// environment's. Without the right to read them it is not known where it listens: to try is to leave a line in its log where it speaks TLS.
func etcdFlags(cfg Config, f found) (flags, error) {
	own := f.flags()
	if file := own["config-file"]; file != "" {
		set, err := etcdStartedWith(file, f.process)
		if err != nil && f.process == nil { // nobody will log a question
			return own, nil
		}
		return set, err
	}
	if f.process == nil || saysAll(own) {
		return own, nil
	}
	b, err := os.ReadFile(filepath.Join(cfg.Proc, strconv.Itoa(f.process.pid), "environ"))
	switch {
	case err != nil && own["listen-client-urls"] != "":
		return own, nil
	case err != nil:
		return nil, fmt.Errorf("its flags do not say where it listens, and its environment can't be read: %w", err)
	}
	out := flags{}
	maps.Copy(out, own)
	for _, line := range strings.Split(string(b), "\x00") {
		for _, name := range etcdSettings {
			if v, ok := strings.CutPrefix(line, "ETCD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="); ok && out[name] == "" {
				out[name] = v
			}
		}
	}
	if file := out["config-file"]; file != "" {
		return etcdStartedWith(file, f.process)
	}
	return out, nil
}

func etcdStartedWith(file string, p *process) (flags, error) {
	if err := asStarted(file, p); err != nil {
		return nil, err
	}
	return etcdFile(file)
}

// saysAll tells of flags that say where it listens and what it wants of its clients, as kubeadm's do: its environment need not be read.
func saysAll(f flags) bool {
	urls := f["listen-client-urls"]
	return urls != "" && (!strings.Contains(urls, "https://") || f["trusted-ca-file"] != "" || f["client-cert-auth"] == "true")
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
		HTTP     string    `yaml:"listen-client-http-urls"`
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
		"listen-client-urls": c.Client, "listen-client-http-urls": c.HTTP, "listen-metrics-urls": c.Metrics, "quota-backend-bytes": strconv.FormatInt(c.Quota, 10), "data-dir": c.Data,
		"cert-file": c.TLS.Cert, "client-cert-auth": strconv.FormatBool(c.TLS.Auth), "trusted-ca-file": c.TLS.CA,
		"client-crl-file": cmp.Or(c.TLS.CRL, c.CRL), "client-cert-allowed-hostname": cmp.Or(c.TLS.Hostname, c.TLS.CN, c.Hostname),
		"listen-peer-urls": c.Peer, "peer-cert-file": c.PeerTLS.Cert, "peer-key-file": c.PeerTLS.Key, "peer-client-cert-auth": strconv.FormatBool(c.PeerTLS.Auth),
		"peer-trusted-ca-file": c.PeerTLS.CA, "peer-crl-file": c.PeerTLS.CRL, "peer-cert-allowed-cn": c.PeerTLS.CN, "peer-cert-allowed-hostname": c.PeerTLS.Hostname,
	}, nil
}

// etcdAt decides where it is asked.
func etcdAt(f flags) (etcdPlace, error) {
	p := etcdPlace{client: pick(f.or("listen-client-urls", "http://127.0.0.1:2379")), metrics: pick(f["listen-metrics-urls"]), http: pick(f["listen-client-http-urls"]), ca: f["trusted-ca-file"]}
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
			u.Host = net.JoinHostPort(reachedAt(ip), u.Port())
			return u
		}
		if first == nil {
			first = u
		}
	}
	return first
}
