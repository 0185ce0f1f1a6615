package component

import (
	"os"
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
		out = append(out, Place{Component: nameAPIServer, Address: apiserverPlace(f.flags(), local).address, File: f.flags().or("tls-cert-file", cfg.PKI+"/apiserver.crt")})
	}
	if f := c.finder.find(cfg, nameEtcd); f.there() {
		out = append(out, etcdPorts(cfg, f.flags())...)
	}
	return out
}

// etcdPorts are those that speak TLS. A member asks for its clients' certificates, and logs who shows none: without one it is not asked.
func etcdPorts(cfg Config, f flags) []Place {
	var out []Place
	for _, p := range []struct{ name, urls, cert, client, key, path string }{
		{nameEtcd, "listen-client-urls", f["cert-file"], filepath.Join(cfg.PKI, "etcd/healthcheck-client.crt"), filepath.Join(cfg.PKI, "etcd/healthcheck-client.key"), "/health"},
		{nameEtcd + "'s peers", "listen-peer-urls", f["peer-cert-file"], f["peer-cert-file"], f["peer-key-file"], "/version"},
	} {
		u := pick(f[p.urls])
		if u == nil || u.Scheme != "https" || p.cert == "" {
			continue
		}
		if _, err := os.Stat(p.client); err == nil {
			out = append(out, Place{Component: p.name, Address: u.Host, File: p.cert, Client: p.client, ClientKey: p.key, Path: p.path})
		}
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
	return f.flags()["data-dir"]
}
