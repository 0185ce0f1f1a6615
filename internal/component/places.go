package component

import (
	"path/filepath"
	"time"
)

// Place is a port that a component of this node serves with a certificate from a file.
type Place struct {
	Component         string
	Address           string // host:port
	File              string // of its certificate
	Client, ClientKey string // files of the certificate that its clients show; empty: none is needed
	Path              string // what its clients ask for; empty: nothing needs to be asked for
}

// Reader is a process that reads its kubeconfig at its start.
type Reader struct {
	Component string
	File      string
	Started   time.Time
}

// FindPlaces looks for them once.
func FindPlaces(cfg Config) ([]Place, []Reader, string) {
	cfg = cfg.filled()
	c := newChecker(func() Config { return cfg }, Deps{})
	return c.Places(), c.Readers(), c.EtcdFolder()
}

// Places of the components that are here. It reads manifests and /proc, and asks nobody.
func (c *Checker) Places() []Place {
	cfg := c.cfg()
	var out []Place
	if f := c.finder.find(cfg, nameAPIServer); f.there() {
		local, _ := localAddresses() // without them it is asked over loopback
		at := apiserverPlace(f.flags(), local).address
		if _, away := foreign(at, local); !away { // else condition APIServer says so
			out = append(out, Place{Component: nameAPIServer, Address: at, File: f.flags().or("tls-cert-file", cfg.PKI+"/apiserver.crt")})
		}
	}
	if f := c.finder.find(cfg, nameEtcd); f.there() {
		if set, err := etcdFlags(cfg, f); err == nil { // else condition Etcd says why it is not known
			out = append(out, etcdPorts(cfg, f, set, time.Now())...)
		}
	}
	return out
}

// etcdPorts are those that speak TLS. A member logs every client whose certificate it does not take: one that would is not asked.
func etcdPorts(cfg Config, f found, set flags, now time.Time) []Place {
	var out []Place
	healthcheck := filepath.Join(cfg.PKI, "etcd/healthcheck-client")
	for _, p := range []struct {
		name, urls, cert, ca, auth string
		picky                      bool
		client, key, path          string
	}{
		{nameEtcd, "listen-client-urls", "cert-file", "trusted-ca-file", "client-cert-auth", set["client-crl-file"] != "" || set["client-cert-allowed-hostname"] != "",
			healthcheck + ".crt", healthcheck + ".key", "/health"},
		{nameEtcd + "'s peers", "listen-peer-urls", "peer-cert-file", "peer-trusted-ca-file", "peer-client-cert-auth",
			set["peer-crl-file"] != "" || set["peer-cert-allowed-cn"] != "" || set["peer-cert-allowed-hostname"] != "", set["peer-cert-file"], set["peer-key-file"], "/version"},
	} {
		u := pick(set[p.urls])
		if u == nil || u.Scheme != "https" || set[p.cert] == "" {
			continue
		}
		if _, away := elsewhere(u.Host); away {
			continue
		}
		x := Place{Component: p.name, Address: u.Host, File: set[p.cert], Path: p.path}
		if set[p.ca] != "" || set[p.auth] == "true" {
			pair, err := keyPair(p.client, p.key)
			if err != nil || takes(set[p.ca], p.picky, pair.Leaf, f.process, now) != nil {
				continue
			}
			x.Client, x.ClientKey = p.client, p.key
		}
		out = append(out, x)
	}
	return out
}

// Readers of kubeconfigs that run.
func (c *Checker) Readers() []Reader {
	cfg := c.cfg()
	var out []Reader
	for _, name := range []string{nameScheduler, nameController} {
		f := c.finder.find(cfg, name)
		if file := f.flags()["kubeconfig"]; f.process != nil && file != "" {
			out = append(out, Reader{Component: name, File: file, Started: f.process.at})
		}
	}
	return out
}

// EtcdFolder is where this node's etcd keeps its data; empty: there is none.
func (c *Checker) EtcdFolder() string {
	f := c.finder.find(c.cfg(), nameEtcd)
	if !f.there() {
		return ""
	}
	set, err := etcdFlags(c.cfg(), f)
	if err != nil {
		return ""
	}
	return set["data-dir"]
}
